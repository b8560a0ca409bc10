"""Parts of a call in the user's source: the call at a place, one argument, its exact text."""

from __future__ import annotations

import ast

from trema.core.diagnosis import Location
from trema.source.reading import SourceTree, begin, end, source_tree


def call_at(
    file: str,
    line: int,
    column: int | None = None,
    end_line: int | None = None,
    end_column: int | None = None,
) -> Location | None:
    """The call at this place; None unless exactly one fits.

    With a line alone it is the call that begins there and lies in no other call of that line, as
    the `fit` of ``model.fit(x.astype("float32"))``.
    """
    place = Location(file=file, line=line, column=column, end_line=end_line, end_column=end_column)
    tree = source_tree(file)
    call = _only_call(tree, place) if tree is not None else None
    return tree.location(call) if tree is not None and call is not None else None


def argument(location: Location, name: str, position: int | None = None) -> Location | None:
    """The value given for one argument of the call at `location`.

    `position` is the place among positional arguments, from 0. None where the argument is absent
    (a default applies) or hidden in ``*args`` or ``**options``.
    """
    tree = current_tree(location)
    call = _only_call(tree, location) if tree is not None else None
    value = argument_node(call, name, position) if call is not None else None
    return tree.location(value) if tree is not None and value is not None else None


def expression(location: Location) -> str | None:
    """The exact source between the two ends of a location; None without columns or source."""
    tree = current_tree(location)
    if tree is None or location.column is None:
        return None
    if location.end_line is None or location.end_column is None:
        return None
    lines = tree.lines[location.line - 1 : location.end_line]
    if not lines:
        return None
    lines[-1] = lines[-1][: location.end_column - 1]
    lines[0] = lines[0][location.column - 1 :]
    return "\n".join(lines)


def argument_node(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """The value of a keyword, else of a positional argument that no ``*args`` precedes."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
        if keyword.arg is None and isinstance(keyword.value, ast.Dict):
            for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == name:
                    return value
    if position is None or not 0 <= position < len(call.args):
        return None
    before = call.args[: position + 1]
    return None if any(isinstance(arg, ast.Starred) for arg in before) else before[-1]


def current_tree(location: Location) -> SourceTree | None:
    """The tree of a location's file; None where the file no longer has the text recorded."""
    tree = source_tree(location.file)
    if tree is None or not location.text or tree.line(location.line) != location.text:
        return None
    return tree


def _only_call(tree: SourceTree, place: Location) -> ast.Call | None:
    fits = [call for call in tree.calls if _fits(tree, call, place)]
    if place.column is None:
        within = {inner for call in fits for inner in ast.walk(call) if inner is not call}
        fits = [call for call in fits if call not in within]
    elif place.end_column is None and fits:  # in `a(1)(2)` two calls begin here: the whole one
        fits = [max(fits, key=end)]
    return fits[0] if len(fits) == 1 else None


def _fits(tree: SourceTree, call: ast.Call, place: Location) -> bool:
    if begin(call)[0] != place.line:
        return False
    if place.column is None:
        return True
    where = tree.location(call)
    ends = (place.end_line, place.end_column)
    return where.column == place.column and (
        place.end_column is None or ends == (where.end_line, where.end_column)
    )
