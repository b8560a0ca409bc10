"""Hooks that stay behind when their module is copied or saved.

A weight average begins with ``copy.deepcopy(model)``, and ``torch.save(model)`` pickles it: both
take hooks along. A copy of ours does nothing and needs no Trema to be loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any


class Hook:
    """A callable whose copies return None, whatever they are given."""

    __slots__ = ("_action",)

    def __init__(self, action: Callable[..., Any]) -> None:
        self._action = action

    def __call__(self, *given: Any) -> Any:
        return self._action(*given)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (nullcontext(), "__exit__")  # takes anything, returns None


def silence(handle: Any) -> None:
    """Let a hook do nothing. To remove it while hooks of its kind run would raise into the caller,
    because a dictionary that is iterated must not change its size."""
    hooks = handle.hooks_dict_ref()
    if hooks is not None and handle.id in hooks:
        hooks[handle.id] = _nothing


def _nothing(*_: Any) -> None:
    """A hook without an effect."""
