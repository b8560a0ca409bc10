"""What the user's loop does between two optimizer steps, seen on sampled steps.

A loop listens while its observer's step is armed, and while a loader other than the training one
is iterated; in between it costs nothing. What it tells is defined in
:data:`trema.core.facts.LOOP_NAMES`.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trema.adapters.torch import calls, locate, marks, patches, reduce
from trema.adapters.torch.describe import is_sharded
from trema.adapters.torch.measure import Values
from trema.adapters.torch.modes import Modes
from trema.adapters.torch.owners import Owners, held
from trema.core.facts import VALIDATION, Fact, Observation
from trema.source.frames import CallSite, call_site

if TYPE_CHECKING:
    from trema.adapters.torch.observer import Observer

#: Backward passes without any step after which a step is missed, whatever is accumulated …
NEVER_STEPPED = (256, 1024)
#: … and when the gradients of each pass are thrown away.
THROWN_AWAY = (16, 64)
#: Passes thrown away after which an optimizer beside others that step is missed at the end.
LEFT_OUT = 16
#: Parameters, and values of each, that are looked at for gradients.
LOOKED_AT, LOOKED_VALUES = 12, 4096
#: Sampled steps after which the owners of parameters are looked at; and at the end.
LOOK_AT = frozenset({1, 5, 16, 40, 64, 128, 256})


_loops: list[Loop] = []  # of every observer that is alive


class _Token:
    """Lives as long as the graph that carries it."""

    __slots__ = ("__weakref__",)


class Loop:
    """The calls of one loop around one optimizer."""

    def __init__(self, observer: Observer, optimizer: torch.optim.Optimizer) -> None:
        self._observer = observer
        self._optimizer = weakref.ref(optimizer)
        self._modes = Modes(observer.inner, observer._leaves.values())
        self._owners = Owners(observer.inner, optimizer)
        self._tokens: deque[tuple[int, weakref.ref[_Token]]] = deque(maxlen=64)
        self._begun: list[tuple[Tensor, Tensor]] = []  # parameters and their first values
        self._passes = self._thrown = 0  # backward passes before the first step
        self._looks = 0
        self._look_next: set[int] = set()
        self._held = 0  # parameters of the model that the optimizer held at the sampled step before
        self._told: dict[str, Any] = {}
        self._foreign_pass: list[int] | None = None  # forward and backward passes in validation
        self._evaluated = (-1, 0)
        self._closing = False
        self._reset()
        _loops.append(self)

    def _reset(self) -> None:
        self._backwards = self._wasted = 0
        self._carried = 1.0
        self._left = 0.0  # share of gradients that the last backward left
        self._received = 0.0
        self._versions: list[tuple[int, int]] = []  # of the gradients after backward
        self._closure = self._cleared = self._late = self._leaf = False
        self._fresh = True
        self._sites: set[tuple[int, int] | None] = set()
        self._mode: tuple[float, float] | None = None
        self._early = False
        self._clipped = 0.0

    def arm(self) -> None:
        """Listen to the step that begins now."""
        self._reset()
        if self not in calls.watching:
            calls.watching.append(self)

    def disarm(self) -> None:
        """Stop listening, except for a pass over other data."""
        if self._foreign_pass is None and self in calls.watching:
            calls.watching.remove(self)

    @property
    def begins_anew(self) -> bool:
        """Whether ``backward`` was called on a tensor without a history in this step."""
        return self._leaf

    # calls --------------------------------------------------------------------------------

    def forward_ran(self) -> None:
        """The model ran with gradients."""
        self._late = True
        if self._foreign_pass is not None:
            self._foreign_pass[0] += 1

    def before_backward(self, loss: Tensor) -> None:
        """``backward`` is called."""
        self._observer.guard(lambda: self._before(loss))

    def _before(self, loss: Tensor) -> None:
        optimizer = self._optimizer()
        if optimizer is None:
            return
        if self._foreign_pass is not None and not self._observer.armed:
            self._foreign_pass = None  # it trains: there is nothing to be told of this pass
            self.disarm()
            return
        share = self._gradients(optimizer)
        if self._observer.step == 0:
            if not self._begun:
                self._begun = [
                    (p, p.detach().reshape(-1)[:256].clone()) for p in _trainable(optimizer)
                ]
            self._thrown += self._passes > 0 and share == 0 and self._left > 0
        if self._backwards and share == 0 and self._left > 0:
            self._wasted += 1
        self._carried = min(self._carried, share)
        self._backwards += 1
        self._late = False
        if self._foreign_pass is not None:
            self._foreign_pass[1] += 1
        self._leaf = self._leaf or loss.grad_fn is None
        given = self._observer._fresh_loss is loss
        self._fresh = self._fresh and given and not self._summed()
        site = call_site()
        key = (id(site.code), site.instruction) if site is not None else None
        if len(self._sites) < 4:
            self._sites.add(key)
        self._mode = self._modes.in_eval()
        if self._mode is not None and self._mode[1]:
            self._place("eval", marks.evaluations.site(self._observer.inner))
        self._mark(loss)
        self._owners.see_graph(loss, key)

    def _summed(self) -> bool:
        call = self._observer._loss_call
        return call is not None and call.options.get("reduction", "mean") != "mean"

    def _mark(self, loss: Tensor) -> None:
        """Leave a token in the graph of the loss; who holds the graph holds the token."""
        token = _Token()
        node: Any = loss.grad_fn
        try:
            for _ in range(4):  # a running sum may hold the loss before it was scaled or divided
                if node is None or not node.next_functions:
                    break
                node.metadata["trema"] = token  # torch keeps it with the node
                node = node.next_functions[0][0]
        except Exception:  # nodes of other kinds have no such dictionary
            return
        self._tokens.append((self._observer.step, weakref.ref(token)))

    def after_backward(self) -> None:
        """``backward`` has run."""
        self._observer.guard(self._after)

    def _after(self) -> None:
        optimizer = self._optimizer()
        if optimizer is None:
            return
        self._left = self._gradients(optimizer)
        parameters = _trainable(optimizer)
        self._versions = _versions(parameters)
        given = sum(p.grad is not None for p in parameters)
        self._received = max(self._received, given / max(1, len(parameters)))
        if self._observer.step == 0 and self._left:
            self._passes += 1
            if self._passes in NEVER_STEPPED or (
                self._passes in THROWN_AWAY and self._thrown >= self._passes - 1
            ):
                self._tell_no_step(optimizer)

    def before_step(self, optimizer: torch.optim.Optimizer, given: tuple[Any, ...]) -> None:
        """The optimizer's ``step`` is called with these arguments."""
        args, options = (*given, (), {})[:2]
        self._closure = options.get("closure") is not None or any(
            callable(a) and a is not optimizer for a in args
        )
        if self._closure:
            return
        touched = self._left > 0 and _versions(_trainable(optimizer)) != self._versions
        self._cleared = touched and self._gradients(optimizer) == 0
        if self._observer.step == 0 and not optimizer.state:  # a resumed one has its state
            schedulers = calls.schedulers_of(optimizer)
            self._early = patches.scaled is None and any(
                calls.scheduled(s) == 1 for s in schedulers
            )
            self._tell_resumed(optimizer, max((s.last_epoch for s in schedulers), default=0))

    def clips(self, parameters: Any) -> None:
        """Gradients are clipped now."""
        optimizer, scaled = self._optimizer(), patches.scaled
        scaler = scaled[2]() if scaled is not None else None
        if optimizer is None or scaler is None or not self._backwards:
            return
        if len(patches.listeners) > 1:  # a generator of parameters must not be used up
            return
        if calls.still_scaled(scaler, optimizer):
            self._clipped = float(scaler.get_scale())
            self._place("clip", call_site())

    def scaler_told(self, updates: int, skipped: int, late: int, running: int) -> None:
        """The scaler was updated so often, and skipped so many of these steps."""
        if updates % 32 == 0 or running == 32:
            self._observe(
                kind="scaler", updates=updates, skipped=skipped, late=late, running=running
            )

    # loaders ------------------------------------------------------------------------------

    def loader_begins(self, training: bool) -> None:
        """A loader is iterated; whether it is the training one."""
        if not training and self._observer.step:
            self._foreign_pass = [0, 0]
            if self not in calls.watching:
                calls.watching.append(self)

    def loader_ends(self, training: bool) -> None:
        """A loader is exhausted."""
        seen, self._foreign_pass = self._foreign_pass, None
        if not self._observer.armed:
            self.disarm()
        if training or seen is None or not seen[0]:
            return
        self._observer._record({(Fact.LOOP, "graph"): float(not seen[1])}, VALIDATION)

    def evaluated(self) -> None:
        """A batch is judged without gradients; two of an epoch are looked at."""
        epoch, seen = self._evaluated
        now = self._observer.epochs.epoch
        self._evaluated = (now, seen + 1 if now == epoch else 1)
        if self._evaluated[1] > 2:
            return
        self._place("evaluation", call_site())
        share = self._modes.in_train()
        if share is not None:
            self._observer._record({(Fact.LOOP, "train"): share}, VALIDATION)

    # results ------------------------------------------------------------------------------

    def facts(self, optimizer: torch.optim.Optimizer) -> Values:
        """What happened since the step before."""
        step, alone = self._observer.step, len(patches.listeners) < 2
        found: dict[str, float] = {
            "backwards": float(self._backwards),
            "closure": float(self._closure),
            "late": float(self._late and not self._closure),
            "kept": float(self._kept(step)),
            "clipped-scaled": self._clipped,
        }
        if self._backwards and not _sharded(optimizer):
            found["received"] = self._received
            found["leaf"] = float(self._leaf)
            found["cleared"] = float(self._cleared)
            if step:
                found["carried"] = self._carried
        if alone and not self._closure:
            one_line = len(self._sites) == 1 and None not in self._sites
            # a scaler that skips a step loses its gradients on purpose
            lost = one_line and self._observer._scaler is None
            found["wasted"] = float(self._wasted if lost else 0)
            found["undivided"] = float(self._backwards > 1 and one_line and self._fresh)
        if self._mode is not None:
            found["eval"], found["model-eval"] = self._mode
        schedulers = calls.schedulers_of(optimizer)
        if schedulers:
            found["scheduled"] = float(max(calls.scheduled(s) for s in schedulers))
            if step == 0:
                found["early"] = float(self._early)
            self._place("scheduler", locate.made.site(schedulers[0]))
        self._begun = []
        self._looks += 1
        held_before, self._held = self._held, len(self._observer._before)
        if self._held < held_before:  # a part of the model was replaced
            self._look_next = {self._looks - 1, self._looks, self._looks + 4}
        if self._looks - 1 in LOOK_AT | self._look_next:
            self._look(optimizer)
        return {(Fact.LOOP, name): value for name, value in found.items()}

    def _place(self, role: str, site: CallSite | None) -> None:
        if site is not None:
            self._observer._places.setdefault(role, site)

    def _kept(self, step: int) -> int:
        """Graphs that are alive though a later step was made."""
        while self._tokens and self._tokens[0][1]() is None:
            self._tokens.popleft()
        return sum(token() is not None for at, token in self._tokens if at <= step - 2)

    def _look(self, optimizer: torch.optim.Optimizer, *, last: bool = False) -> None:
        others = [
            (other, loop._observer.step)
            for loop in _loops
            if loop is not self and (other := loop._optimizer()) is not None
        ]
        twice = self._owners.shared(optimizer, others)
        data = self._owners.look(
            optimizer, [other for other, _ in others], beside=bool(twice), last=last
        )
        data["twice"] = twice
        if data != self._told:
            self._told = data
            self._observe(fact=Fact.WIRING, **data)

    def _tell_resumed(self, optimizer: torch.optim.Optimizer, scheduled: int) -> None:
        """A schedule that begins in the midst goes on, but the optimizer remembers nothing."""
        if scheduled > 1 and stateful(optimizer):
            self._observe(kind="resumed", step=int(scheduled), remembered=0)

    def _tell_no_step(self, optimizer: torch.optim.Optimizer) -> None:
        moved = any(not torch.equal(p.detach().reshape(-1)[:256], b) for p, b in self._begun)
        stepping = [loop for loop in _loops if loop._observer.step]
        if patches.scaled is not None:
            return
        if stepping:
            # one of several optimizers, as of a pair of networks: it may begin later than the
            # others, or be driven by one of them, so that more must speak for a missing step
            rivals = [other for loop in stepping if (other := loop._optimizer()) is not None]
            shared = bool(held([optimizer]) & held(rivals))
            late = self._passes < NEVER_STEPPED[0] and not self._closing
            if shared or late or self._thrown < max(LEFT_OUT, self._passes // 4):
                return
        self._observe(kind="no-step", backwards=self._passes, moved=moved, beside=len(stepping))

    def _gradients(self, optimizer: torch.optim.Optimizer) -> float:
        """Share of the parameters looked at that have a gradient other than zero."""
        looked = _spread(_trainable(optimizer))
        graded = [p.grad for p in looked if p.grad is not None and p.grad.numel()]
        if not graded:
            return 0.0
        norms = reduce.norms([_first(g) for g in graded])
        return sum(norm != 0 for norm in reduce.numbers(norms)) / len(looked)  # NaN is not zero

    def _observe(self, fact: Fact = Fact.LOOP, **data: Any) -> None:
        observer = self._observer
        observer.segment.observe(
            Observation(
                fact=fact,
                step=observer.step,
                epoch=observer.epochs.epoch,
                data=data,
                segment=observer.segment.number,
            )
        )

    def close(self) -> None:
        """The run is over."""
        optimizer = self._optimizer()
        self._closing = True
        if optimizer is not None and self._observer.step == 0 and self._passes >= 8:
            self._tell_no_step(optimizer)
        if optimizer is not None and self._looks > 1:
            self._look(optimizer, last=True)
        self._foreign_pass = None
        self.disarm()
        self._tokens.clear()
        self._begun = []
        if self in _loops:
            _loops.remove(self)


def stateful(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the optimizer remembers gradients from step to step; plain SGD does not."""
    group = optimizer.param_groups[0] if optimizer.param_groups else {}
    return "betas" in group or "alpha" in group or bool(group.get("momentum"))


def _trainable(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    held = (p for group in optimizer.param_groups for p in group["params"])
    return [p for p in held if p.requires_grad and not is_sharded(p)]


def _sharded(optimizer: torch.optim.Optimizer) -> bool:
    """Whether gradients of the optimizer's parameters cannot be seen."""
    return any(is_sharded(p) for group in optimizer.param_groups for p in group["params"])


def _spread(parameters: list[Tensor]) -> list[Tensor]:
    if len(parameters) <= LOOKED_AT:
        return parameters
    stride = (len(parameters) - 1) / (LOOKED_AT - 1)
    return [parameters[round(i * stride)] for i in range(LOOKED_AT)]


def _versions(parameters: list[Tensor]) -> list[tuple[int, int]]:
    """What changes when a gradient is cleared, replaced or written to."""
    graded = [p.grad for p in _spread(parameters)]
    return [(id(g), g._version) for g in graded if g is not None]


def _first(gradient: Tensor) -> Tensor:
    """The first values of a gradient."""
    values = gradient.detach()
    if values.is_sparse:
        values = values._values()
    return values if values.numel() <= LOOKED_VALUES else values.reshape(-1)[:LOOKED_VALUES]
