"""Where each object of interest was made: sites recorded while the user's program builds it."""

from __future__ import annotations

import sys
import weakref
from types import FrameType

from trema.core.diagnosis import Location
from trema.source.frames import CallSite, user_frame


def construction_site(obj: object, frame: FrameType | None = None) -> CallSite | None:
    """The user's call that asked for `obj`, to be called while `obj` is under construction.

    Methods of `obj` itself are passed over: in a user's subclass, ``super().__init__()`` is part
    of the construction, and the line that made the object is the one that called the class.
    """
    found = user_frame(frame if frame is not None else sys._getframe(1))
    while found is not None and _is_method_of(obj, found):
        found = user_frame(found.f_back) if found.f_back is not None else None
    return CallSite(found.f_code, found.f_lasti) if found is not None else None


class Sites:
    """The construction site of each recorded object, as long as the object lives.

    Objects are held weakly and compared by identity, so tensors and unhashable layers are fine;
    one that cannot be referred to weakly is not recorded. The first record wins: a chain of
    base-class constructors records one construction several times.
    """

    def __init__(self) -> None:
        self._records: dict[int, tuple[weakref.ref[object], CallSite]] = {}
        self._sweep_at = 1024

    def __len__(self) -> int:
        return sum(1 for reference, _ in list(self._records.values()) if reference() is not None)

    def record(self, obj: object, site: CallSite | None = None) -> None:
        """Remember where `obj` is made: `site`, or the user's call that is running now."""
        if self._known(obj) is not None:
            return
        if site is None:
            site = construction_site(obj, sys._getframe(1))
        if site is None:
            return
        try:
            self._records[id(obj)] = (weakref.ref(obj), site)
        except TypeError:  # no weak references, as for integers and some slotted classes
            return
        if len(self._records) >= self._sweep_at:
            self._sweep()

    def site(self, obj: object) -> CallSite | None:
        """Where `obj` was made; None where that was not seen."""
        return self._known(obj)

    def location(self, obj: object) -> Location | None:
        """The line on which `obj` was made; None where that was not seen."""
        site = self._known(obj)
        return site.resolve() if site is not None else None

    def _known(self, obj: object) -> CallSite | None:
        reference, site = self._records.get(id(obj), (None, None))
        # An id is used again once its object is gone, so the object itself decides.
        return site if reference is not None and reference() is obj else None

    def _sweep(self) -> None:
        gone = [key for key, (ref, _) in list(self._records.items()) if ref() is None]
        for key in gone:
            self._records.pop(key, None)
        self._sweep_at = max(1024, 2 * len(self._records))


def _is_method_of(obj: object, frame: FrameType) -> bool:
    code = frame.f_code
    if not code.co_argcount:
        return False
    return frame.f_locals.get(code.co_varnames[0]) is obj
