"""Weights that a program loads or puts back: what ``load_state_dict`` left as it was.

Two calls do nothing without an error: one whose names do not match, with ``strict=False``, and
one that is given the module's own tensors, because ``state_dict()`` copies nothing.
"""

from __future__ import annotations

import functools
import itertools
import sys
import weakref
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trema.adapters.torch.owners import held
from trema.core.facts import Fact, Observation
from trema.source.frames import CallSite, call_site

if TYPE_CHECKING:
    from trema.adapters.torch.observer import Observer

#: Values of each parameter that are kept to see whether it still stands as it was.
KEPT = 64
#: Loads and states that are remembered.
REMEMBERED = 64
#: Share of a module's parameters that must be in the file under other names.
RENAMED = 0.5
#: The same where nothing but the shapes tells.
SHAPED = 0.8
#: Names told of an observation.
NAMED = 8

watching: list[Weights] = []
_serial = itertools.count()
_taken: dict[int, _Taken] = {}  # by the identity of the tensors that state_dict() gave
_loads: list[Load] = []  # that left parameters untouched
_installed = False


@dataclass(frozen=True)
class _Taken:
    """The first tensor of a state, and how far each watched optimizer was when it was taken."""

    tensor: weakref.ref[Tensor]
    steps: Mapping[int, int]
    site: CallSite | None


@dataclass(frozen=True)
class Load:
    """A call that did not find the parameters of a module in what it was given.

    how : ``file`` or ``model`` (whose names have the prefix), ``nested`` (one level deeper, under
        the key that is the prefix), ``other`` (only the shapes agree)
    untouched : the parameter, its name in the module, and its first values
    example : a name in the module and its name in the file
    """

    how: str
    prefix: str
    filled: int
    total: int
    untouched: tuple[tuple[weakref.ref[nn.Parameter], str, Tensor], ...]
    example: tuple[str, str]
    site: CallSite | None


def install() -> None:
    """Note from now on which weights are taken and loaded; a second call does nothing."""
    global _installed
    if not _installed:
        _installed = True
        _patch_taking()
        _patch_loading()


def _patch_taking() -> None:
    original = nn.Module.state_dict

    @functools.wraps(original)
    def state_dict(self: nn.Module, *args: Any, **options: Any) -> Any:
        result = original(self, *args, **options)
        if not args and options.get("destination") is None:
            try:
                _note_taken(result, call_site(sys._getframe(1)))
            except Exception:  # never between the user and the weights
                pass
        return result

    nn.Module.state_dict = state_dict  # type: ignore[method-assign]  # passed on


def _patch_loading() -> None:
    original = nn.Module.load_state_dict

    @functools.wraps(original)
    def load_state_dict(
        self: nn.Module, state_dict: Mapping[str, Any], *args: Any, **options: Any
    ) -> Any:
        own = _own_given(self, state_dict) if watching else None
        result = original(self, state_dict, *args, **options)
        try:
            if own is not None:
                _tell_restored(self, own, call_site(sys._getframe(1)))
            strict = options.get("strict", args[0] if args else True)
            if not strict:
                load = _unmatched(self, state_dict, result, call_site(sys._getframe(1)))
                if load is not None:
                    _loads[:] = [*_loads[-REMEMBERED:], load]
        except Exception:  # never between the user and the weights
            pass
        return result

    nn.Module.load_state_dict = load_state_dict  # type: ignore[method-assign]  # passed on


# a state that is the module's own ---------------------------------------------------------


def _note_taken(state: Mapping[str, Any], site: CallSite | None) -> None:
    first = next((t for t in state.values() if isinstance(t, Tensor)), None)
    if first is None:
        return
    steps = {watcher.serial: watcher.step for watcher in watching}
    if len(_taken) >= REMEMBERED:
        alive = {key: one for key, one in _taken.items() if one.tensor() is not None}
        _taken.clear()
        _taken.update(itertools.islice(alive.items(), max(0, len(alive) - REMEMBERED // 2), None))
    _taken[id(first)] = _Taken(weakref.ref(first), steps, site)


def _own_given(module: nn.Module, state: Any) -> list[Tensor] | None:
    """The tensors given, when they are the parameters of the module themselves; else None."""
    try:
        given = []
        for name, parameter in module.named_parameters():
            tensor = state.get(name)
            if not isinstance(tensor, Tensor) or not parameter.numel():
                return None
            place = tensor.data_ptr()  # none on a meta device
            if not place or place != parameter.data_ptr() or tensor.shape != parameter.shape:
                return None
            given.append(tensor)
        return given or None
    except Exception:  # the original says what is wrong with the call
        return None


def _tell_restored(module: nn.Module, given: Iterable[Tensor], site: CallSite | None) -> None:
    taken = None
    for tensor in given:
        known = _taken.get(id(tensor))
        if known is not None and known.tensor() is tensor:
            taken = known
            break
    if taken is None:
        return
    inside = {id(parameter) for parameter in module.parameters()}
    for watcher in tuple(watching):
        steps = watcher.step - taken.steps.get(watcher.serial, 0)
        if steps > 0 and watcher.trains(inside):
            watcher.restored(steps, taken.site, site)


# names that do not match ------------------------------------------------------------------


def _unmatched(
    module: nn.Module, state: Mapping[str, Any], result: Any, site: CallSite | None
) -> Load | None:
    own = dict(module.named_parameters())
    missing = [name for name in result.missing_keys if name in own]
    if not missing or not state:
        return None
    found = _renamed(own, dict.fromkeys(missing), {k: v for k, v in state.items() if k not in own})
    if found is None:
        return None
    how, prefix, pairs = found
    kept = tuple((weakref.ref(own[name]), name, _head(own[name])) for name in missing)
    example = next(iter(pairs.items()))
    return Load(how, prefix, len(own) - len(missing), len(own), kept, example, site)


def _renamed(
    own: Mapping[str, Tensor], missing: Collection[str], rest: Mapping[str, Any]
) -> tuple[str, str, dict[str, str]] | None:
    """How names of the module become names of the file: the kind, the prefix and the pairs."""
    tensors = {k: v for k, v in rest.items() if isinstance(v, Tensor)}
    found: dict[tuple[str, str], dict[str, str]] = {}
    for name, tail in _tails(tensors):
        if tail in missing and tensors[name].shape == own[tail].shape:
            found.setdefault(("file", name[: -len(tail)]), {})[tail] = name
    for name, tail in _tails(dict.fromkeys(missing)):
        if tail in tensors and tensors[tail].shape == own[name].shape:
            found.setdefault(("model", name[: -len(tail)]), {})[name] = tail
    for key, inner in rest.items():
        if isinstance(inner, Mapping):
            same = {n: n for n in missing if _shape(inner.get(n)) == own[n].shape}
            found.setdefault(("nested", key), {}).update(same)
    best = max(found.items(), key=lambda one: len(one[1]), default=None)
    if best is not None and len(best[1]) >= RENAMED * len(own):
        return *best[0], best[1]
    if len(missing) < len(own) or len(own) < 2:
        return None
    return _by_shape(own, tensors)


def _tails(names: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Each name with what is left of it after one or more of its first parts."""
    for name in names:
        at = name.find(".")
        while at >= 0:
            yield name, name[at + 1 :]
            at = name.find(".", at + 1)


def _by_shape(
    own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> tuple[str, str, dict[str, str]] | None:
    """Nothing was filled, and the file has tensors of nearly all these shapes."""
    wanted = Counter(tuple(p.shape) for p in own.values())
    shared = sum((wanted & Counter(tuple(t.shape) for t in tensors.values())).values())
    if shared < SHAPED * len(own):
        return None
    for name, parameter in own.items():
        for other, tensor in tensors.items():
            if tensor.shape == parameter.shape:
                return "other", "", {name: other}
    return None


def _shape(thing: Any) -> Any:
    return thing.shape if isinstance(thing, Tensor) else None


def _head(tensor: Tensor) -> Tensor:
    with torch.no_grad():
        return tensor.detach().reshape(-1)[:KEPT].to("cpu", torch.float32, copy=True)


# told to a run ----------------------------------------------------------------------------


class Weights:
    """What was loaded into the model of one observer."""

    def __init__(self, observer: Observer, optimizer: torch.optim.Optimizer) -> None:
        self._observer = observer
        self._optimizer = weakref.ref(optimizer)
        self.serial = next(_serial)
        install()
        watching.append(self)

    @property
    def step(self) -> int:
        """Steps of the optimizer so far."""
        return self._observer.step

    def trains(self, parameters: set[int]) -> bool:
        """Whether the optimizer holds any of these."""
        optimizer = self._optimizer()
        return optimizer is not None and bool(held([optimizer]) & parameters)

    def restored(self, steps: int, taken: CallSite | None, site: CallSite | None) -> None:
        """The model was given its own tensors, that were taken so many steps before."""
        self._observer.guard(
            lambda: self._tell({"taken": taken, "restore": site}, kind="restored", steps=steps)
        )

    def before_step(self) -> None:
        """A step is about to change weights: those that a load left out stand as they were."""
        if not _loads:
            return
        names = {id(p): name for name, p in self._observer.inner.named_parameters()}
        for load in tuple(_loads):
            alive = [(p, kept) for r, _, kept in load.untouched if (p := r()) is not None]
            ours = [(p, kept) for p, kept in alive if id(p) in names]
            if not ours:
                continue
            _loads.remove(load)
            left = [names[id(p)] for p, kept in ours if torch.equal(_head(p), kept)]
            if len(left) == len(load.untouched):
                self._tell_load(load, left)

    def _tell_load(self, load: Load, left: list[str]) -> None:
        self._tell(
            {"load-state": load.site},
            kind="loaded",
            filled=load.filled,
            total=load.total,
            how=load.how,
            prefix=load.prefix,
            wanted=load.example[0],
            given=load.example[1],
            parameters=left[:NAMED],
        )

    def _tell(self, places: Mapping[str, CallSite | None], **data: Any) -> None:
        observer = self._observer
        observer._places.update({role: site for role, site in places.items() if site is not None})
        observer._relocate()
        observer.segment.observe(
            Observation(
                fact=Fact.CONTROL,
                step=observer.step,
                epoch=observer.epochs.epoch,
                data=data,
                segment=observer.segment.number,
            )
        )

    def close(self) -> None:
        """The run is over."""
        if self in watching:
            watching.remove(self)
