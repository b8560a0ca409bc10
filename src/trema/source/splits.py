"""Parts of a split: from ``a, b, c, d = train_test_split(x, y)`` to the array each is cut from."""

from __future__ import annotations

import ast

from trema.source.calls import called_name
from trema.source.reading import SourceTree

#: Functions that give two parts, one after the other, of each positional argument.
_PAIRS = frozenset({"train_test_split"})


def part_split(
    tree: SourceTree, name: ast.Name, value: ast.expr | ast.stmt | None
) -> ast.expr | None:
    """The argument of the split that a name is a part of; None where it is none."""
    if not isinstance(value, ast.Call) or called_name(tree, value) not in _PAIRS:
        return None
    if any(isinstance(part, ast.Starred) for part in value.args) or not value.args:
        return None
    statement = tree.parents.get(value)
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    if not isinstance(target, (ast.Tuple, ast.List)) or len(target.elts) != 2 * len(value.args):
        return None
    places = [
        i for i, part in enumerate(target.elts) if isinstance(part, ast.Name) and part.id == name.id
    ]
    return value.args[places[0] // 2] if len(places) == 1 else None
