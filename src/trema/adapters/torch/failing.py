"""What a loss function was given: told before its error goes on; and where the loss was made.

Class numbers past the last unit or labels of another shape end in an error whose message rarely
says why.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from trema.adapters.torch import locate
from trema.adapters.torch.batch import LossCall
from trema.adapters.torch.measure import Values, tensor_facts
from trema.core.facts import TRAIN
from trema.source.frames import CallSite

if TYPE_CHECKING:
    from trema.adapters.torch.observer import Observer

#: Frames between our patch and the loss module that called the function.
DEPTH = 12


def tell(observer: Observer, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Facts of the outputs and targets of a call that raised."""
    output = args[0] if args else options.get("input")
    target = args[1] if len(args) > 1 else options.get("target")
    if not isinstance(output, Tensor) or not isinstance(target, Tensor):
        return
    if "loss" not in observer._places:
        observer._note_place("loss")
    if output.grad_fn is not None and not observer._described:
        observer._loss_call = LossCall(name, options, output, target, output)
        observer._describe(output)
    values: Values = {}
    for role, tensor in (("output", output), ("target", target)):
        values |= tensor_facts(observer.segment, observer.step, role, {"": tensor}, TRAIN)
    observer._record(values, TRAIN)  # of a step that will not end: the checks look at once
    observer.segment.assess()


def criterion_site() -> CallSite | None:
    """Where the loss module in whose call we are was made, if there is one and that was noted."""
    frame = sys._getframe(1)
    for _ in range(DEPTH):
        owner = frame.f_locals.get("self")
        if isinstance(owner, nn.modules.loss._Loss):
            return locate.made.site(owner)
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
