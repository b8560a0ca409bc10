"""Which forms of a batch our own function was compiled for."""

from __future__ import annotations

from typing import Any

import keras

#: A new form of the batch is compiled for only when the known one stays away this long.
PATIENCE = 8
#: Forms compiled for at most: text of every length would compile for ever.
MOST = 3


class Forms:
    """Keeps traced back ends from compiling for a last, smaller batch or for every length."""

    def __init__(self) -> None:
        self._known: set[Any] = set()
        self._missed = 0
        self._run: set[Any] = set()

    def known(self, batch: Any) -> bool:
        """Whether a step with this batch may be observed."""
        form = form_of(batch)
        if form in self._known:
            self._missed = 0
            return True
        self._missed += 1
        if not self._known or (self._missed >= PATIENCE and len(self._known) < MOST):
            self._known.add(form)
            return True
        return False

    def first(self, batch: Any) -> bool:
        """Whether the function ran for this form for the first time."""
        form = form_of(batch)
        new = form not in self._run
        self._run.add(form)
        return new


def form_of(batch: Any) -> Any:
    """Shapes and dtypes of everything in a batch."""
    return tuple(
        (tuple(getattr(part, "shape", ())), str(getattr(part, "dtype", type(part))))
        for part in keras.tree.flatten(batch)
        if part is not None
    )
