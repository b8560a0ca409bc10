"""What a forward pass of PyTorch can disturb, saved before and put back after."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

#: Objects of a data set that are searched for random generators.
_SEARCHED = 2000


@contextmanager
def undisturbed(model: nn.Module, sources: Any = ()) -> Iterator[None]:
    """No gradients, eval mode, and afterwards everything as it was.

    What is put back: the attributes of every module (its training flag, states it keeps between
    calls, also in lists and dictionaries), buffers that were written to, and the random states of
    Python, NumPy, torch and of generators that a data set holds. Inside, all generators begin
    alike, so that samples that are augmented at random are the same in every epoch. Modes are set
    without calling ``eval``, because some modules do more in it than that.
    """
    modules = list(model.modules())
    attributes = [(module, dict(module.__dict__)) for module in modules]
    held_in = [
        (value, value.copy())
        for _, before in attributes
        for value in before.values()
        if type(value) in (list, dict)
    ]
    buffers = [(b, b._version, b.detach().clone()) for b in model.buffers()]
    own = _generators([part for source in sources for part in source.beneath])
    states = _random_states()
    held = [(one, _state(one)) for one in own]
    try:
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        for generator in own:
            _begin(generator)
        for module in modules:
            module.training = False
        with torch.no_grad():
            yield
    finally:
        for module, before in attributes:
            for key in module.__dict__.keys() - before.keys():
                del module.__dict__[key]
            for key, value in before.items():
                if module.__dict__.get(key, before) is not value:
                    module.__dict__[key] = value
        for value, contents in held_in:
            _refill(value, contents)
        with torch.no_grad():
            for buffer, version, values in buffers:
                if buffer._version != version:
                    buffer.copy_(values)
        for generator, state in held:
            _restore(generator, state)
        _set_random_states(states)


def _refill(value: Any, before: Any) -> None:
    """Put back what a list or dictionary held, if that changed."""
    now, then = list(value), list(before)
    if isinstance(value, dict):
        now, then = [*now, *value.values()], [*then, *before.values()]
    if len(now) == len(then) and all(a is b for a, b in zip(now, then, strict=True)):
        return
    value.clear()
    if isinstance(value, dict):
        value.update(before)
    else:
        value.extend(before)


def _random_states() -> tuple[Any, ...]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]  # of torch
    return torch.get_rng_state(), cuda, random.getstate(), np.random.get_state()


def _set_random_states(states: tuple[Any, ...]) -> None:
    torch.set_rng_state(states[0])
    if states[1] is not None:
        torch.cuda.set_rng_state_all(states[1])
    random.setstate(states[2])
    np.random.set_state(states[3])


_KINDS = (random.Random, np.random.Generator, np.random.RandomState, torch.Generator)


def _generators(roots: list[Any]) -> list[Any]:
    """Random generators that a data set or its transforms hold."""
    found: list[Any] = []
    seen: set[int] = set()
    left = list(roots)
    while left and len(seen) < _SEARCHED:
        one = left.pop()
        if id(one) in seen or isinstance(one, Tensor | np.ndarray | str | bytes | int | float):
            continue
        seen.add(id(one))
        if isinstance(one, _KINDS):
            found.append(one)
        elif isinstance(one, Mapping):
            left.extend(list(one.values())[:100])
        elif isinstance(one, list | tuple):
            left.extend(one[:100])
        elif hasattr(one, "__dict__"):
            left.extend(vars(one).values())
    return found


def _state(generator: Any) -> Any:
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state()


def _restore(generator: Any, state: Any) -> None:
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def _begin(generator: Any) -> None:
    """Let a generator begin as in every other pass."""
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = type(generator.bit_generator)(0).state
    elif isinstance(generator, torch.Generator):
        generator.manual_seed(0)
    else:
        generator.seed(0)
