"""Which optimizer trains which parameter: those that no optimizer holds, and those of two.

A parameter counts as forgotten when the loss gives it a gradient, no optimizer seen holds it, and
its values stand still over the first steps. So another optimizer that is not watched, or an
update by hand, is no false alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from trema.adapters.torch.describe import clean, is_sharded

#: Values of each parameter that are kept to see whether it moves.
KEPT = 256
#: Lines with a ``backward`` whose graphs are walked.
LINES = 4
#: Parameters named in an observation.
NAMED = 50

#: Identities of all parameters that an optimizer seen was made with; some may be gone.
_ever: set[int] = set()


class Owners:
    """Compares the parameters of one model with all optimizers that are seen."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.model = model
        own = held([optimizer])
        _ever.update(own)
        self._kept: dict[str, tuple[nn.Parameter, Tensor, bool, bool]] = {}
        for name, p, module, hidden in _all_parameters(model):
            if p.requires_grad and id(p) not in own:
                self._kept[name] = (p, _head(p).clone(), untrained(module), hidden)
        self._shared_steps: dict[int, int] = {}
        self._walked: dict[Any, set[str]] = {}  # line of backward -> parameters outside the model
        self._beside: set[str] = set()  # of them, those that the first loss does not depend on
        self._latest: set[str] = set()

    def see_graph(self, loss: Tensor, line: Any = None) -> None:
        """Find parameters outside the model that the loss depends on; once for each line."""
        self._latest = self._walked.get(line, set())
        if line in self._walked or len(self._walked) >= LINES or loss.grad_fn is None:
            return
        first = not self._walked
        self._latest = self._walked[line] = set()
        if any(map(is_sharded, self.model.parameters())):  # the graph holds their gathered copies
            return
        known = {id(p) for _, p, _, _ in _all_parameters(self.model)}
        kept = {id(p): name for name, (p, *_) in self._kept.items()}
        for p in _reached(loss.grad_fn):
            if id(p) in known or not _drawn(p):  # a pretrained network in the loss is no fault
                continue
            if id(p) not in kept:
                kept[id(p)] = name = f"outside the model {len(kept)}: " + "x".join(
                    map(str, p.shape)
                )
                self._kept[name] = (p, _head(p).clone(), True, True)
                if not first:
                    self._beside.add(name)
            self._latest.add(kept[id(p)])

    def look(
        self,
        mine: torch.optim.Optimizer,
        others: Iterable[torch.optim.Optimizer],
        *,
        beside: bool = False,
        last: bool = False,
    ) -> dict[str, Any]:
        """What ``Fact.WIRING`` says of parameters that no optimizer moves.

        beside : whether another optimizer moves the same parameters as this one; then it was
            perhaps meant for others that the loss of the step that was just made depends on
        last : whether no look follows; then a layer that replaced another, as torch draws it,
            counts as standing still though it was not met before
        """
        owned = held([mine, *others])
        parameters = list(_all_parameters(self.model))
        inside = {id(p) for _, p, _, _ in parameters}
        if last and any(key not in inside for key in held([mine])):
            for name, p, module, hidden in parameters:
                met = id(p) in _ever or (name in self._kept and self._kept[name][0] is p)
                if not met and p.requires_grad and untrained(module):
                    self._kept[name] = (p, _head(p).clone(), True, hidden)
        missing = [
            {"name": name, "size": p.numel(), "untrained": fresh, "hidden": hidden}
            for name, (p, before, fresh, hidden) in self._kept.items()
            if p.requires_grad
            and id(p) not in owned
            and p.grad is not None
            and bool(p.grad.any())
            and torch.equal(_head(p), before)
            and (name not in self._beside or (beside and name in self._latest))
        ]
        known = {id(p) for p, *_ in self._kept.values()}
        for name, p, module, hidden in parameters:  # put in after the optimizer was made:
            if p.requires_grad and id(p) not in owned and id(p) not in known:
                # whether it moves is known at the next look
                self._kept[name] = (p, _head(p).clone(), untrained(module), hidden)
        return {
            "missing": missing[:NAMED],
            "missing_count": len(missing),
            "missing_size": sum(
                p.numel() for n, (p, *_) in self._kept.items() if n in {m["name"] for m in missing}
            ),
            "size": sum(p.numel() for _, p, _, _ in parameters if p.requires_grad),
            "replaced": sum(key not in inside for key in held([mine])) if missing else 0,
            "trainable": sum(p.requires_grad for _, p, _, _ in parameters),
            "repeated": repeated(self.model),
        }

    def shared(
        self, mine: torch.optim.Optimizer, others: Iterable[tuple[torch.optim.Optimizer, int]]
    ) -> list[dict[str, Any]]:
        """Parameters that another optimizer, which steps in turns with this one, holds too.

        others : optimizers and the number of steps they have made
        """
        own = held([mine])
        found = []
        names = {id(p): clean(name) for name, p in self.model.named_parameters()}
        for other, steps in others:
            before = self._shared_steps.get(id(other), steps)
            self._shared_steps[id(other)] = steps
            both = own & held([other])
            if not both or steps <= before or _wraps(mine, other) or _wraps(other, mine):
                continue
            found.append(
                {
                    "optimizer": type(other).__name__,
                    "count": len(both),
                    "names": sorted(names[key] for key in both if key in names)[:NAMED],
                }
            )
        return found


def repeated(model: nn.Module) -> list[dict[str, Any]]:
    """Layers with weights that stand several times in one ``Sequential``."""
    found = []
    for name, module in model.named_modules():
        if not isinstance(module, nn.Sequential):
            continue
        children = [child for child in module if next(child.parameters(), None) is not None]
        for key, child in module.named_children():  # each object once
            times = sum(other is child for other in children)
            if times > 1:
                layer = clean(f"{name}.{key}".lstrip("."))
                kind = type(child).__name__
                found.append(
                    {"container": clean(name), "layer": layer, "class": kind, "times": times}
                )
    return found[:NAMED]


def held(optimizers: Iterable[torch.optim.Optimizer]) -> set[int]:
    """Identities of the parameters in these optimizers."""
    return {id(p) for o in optimizers for group in o.param_groups for p in group["params"]}


def _wraps(outer: torch.optim.Optimizer, inner: torch.optim.Optimizer) -> bool:
    """Whether one optimizer drives the other, as in SAM or Lookahead."""
    groups = {id(group) for group in outer.param_groups}
    return any(value is inner for value in vars(outer).values()) or any(
        id(group) in groups for group in inner.param_groups
    )


def _head(p: Tensor) -> Tensor:
    return p.detach().reshape(-1)[:KEPT]


def _all_parameters(
    model: nn.Module,
) -> Iterator[tuple[str, nn.Parameter, nn.Module, bool]]:
    """Name, parameter, its module, and whether the module is hidden in a plain list or
    dictionary, where ``model.parameters()`` does not find it."""
    seen: set[int] = set()
    for path, module in _modules(model, ""):
        for key, p in module[0].named_parameters(recurse=False):
            if is_sharded(p) or isinstance(p, nn.UninitializedParameter):
                continue
            if id(p) not in seen:
                seen.add(id(p))
                yield clean(f"{path}.{key}".lstrip(".")), p, module[0], module[1]


def _modules(model: nn.Module, prefix: str) -> Iterator[tuple[str, tuple[nn.Module, bool]]]:
    for path, module in model.named_modules():
        yield prefix + path, (module, False)
        for key, value in list(vars(module).items()):
            if key.startswith("_") or not isinstance(value, list | tuple | dict):
                continue
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for number, item in items:
                if isinstance(item, nn.Module):
                    for inner, part in item.named_modules():
                        name = f"{prefix}{path}.{key}.{number}.{inner}".strip(".")
                        yield name, (part, True)


def untrained(module: nn.Module) -> bool:
    """Whether the weights are distributed just as torch draws them: never trained nor loaded."""
    weight = getattr(module, "weight", None)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        count = module.num_batches_tracked
        return count is not None and int(count) == 0
    if isinstance(module, nn.Embedding) and isinstance(weight, Tensor):
        w = weight.detach().float()
        return weight.numel() >= 32 and abs(float(w.std()) - 1) < 0.2 and abs(float(w.mean())) < 0.2
    known = isinstance(module, nn.Linear | nn.modules.conv._ConvNd)
    return known and isinstance(weight, Tensor) and _drawn(weight)


def _drawn(weight: Tensor) -> bool:
    """Whether a weight is as ``kaiming_uniform_`` with ``a=sqrt(5)`` draws it, torch's default."""
    if weight.ndim < 2 or weight.numel() < 32 or not weight.is_floating_point():
        return False
    w = weight.detach().float()
    bound = 1 / math.sqrt(weight[0].numel())
    greatest, spread = float(w.abs().max()), float(w.std()) * math.sqrt(3) / bound
    return 0.75 * bound <= greatest <= 1.0001 * bound and abs(spread - 1) < 0.25


def _reached(root: Any, limit: int = 20_000) -> list[nn.Parameter]:
    """The parameters a graph leads to."""
    seen, waiting, found = {root}, [root], []
    while waiting and len(seen) < limit:
        node = waiting.pop()
        variable = getattr(node, "variable", None)
        if isinstance(variable, nn.Parameter):
            found.append(variable)
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return found
