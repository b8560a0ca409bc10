"""Where labels were made: the value last given to the name that an argument takes them from."""

from __future__ import annotations

import dataclasses
import re

from trema.core.diagnosis import Location
from trema.source.scopes import assignment
from trema.source.syntax import argument as argument_of
from trema.source.syntax import expression

_NAME = re.compile(r"[^\W\d]\w*(?=\s*(\[|$))")
#: Calls that give the same numbers to another library.
_CONVERSION = re.compile(r"([\w.]+\.)?(as_?tensor|tensor|from_numpy|as_?array|\w+Tensor)\(")
#: Conversions that are followed, at most.
_HOPS = 4


def labels_of(argument: Location) -> Location | None:
    """The value assigned to ``y`` for the argument ``y`` or ``y[:n]``; None for anything else.

    What only converts another name is followed to that name.
    """
    found = _assigned(argument)
    for _ in range(_HOPS):
        if found is None or not _CONVERSION.match(expression(found) or ""):
            break
        given = argument_of(found, "data", 0)
        before = _assigned(given) if given is not None else None
        if before is None:
            break
        found = before
    return found


def _assigned(place: Location) -> Location | None:
    name = _NAME.match(expression(place) or "")
    if name is None or place.column is None:
        return None
    end = place.column + len(name.group())
    return assignment(dataclasses.replace(place, end_line=place.line, end_column=end))
