"""The statement that freezes parameters."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from trema.core.diagnosis import Location
from trema.source.reading import source_tree

_SWITCHES = frozenset({"requires_grad", "trainable"})


def freezing_statement(files: Iterable[str]) -> Location | None:
    """The only statement in these files that may freeze something; None where there are several.

    ``p.requires_grad = False``, ``layer.trainable = flag`` and ``part.requires_grad_(False)``
    count; what sets True does not.
    """
    found: list[Location] = []
    for file in files:
        tree = source_tree(file)
        for node in tree.nodes if tree is not None else ():
            if tree is not None and isinstance(node, (ast.Assign, ast.Call)) and _freezes(node):
                found.append(tree.location(node))
        if len(found) > 1:
            return None
    return found[0] if found else None


def _freezes(node: ast.Assign | ast.Call) -> bool:
    if isinstance(node, ast.Assign):
        names = {t.attr for t in node.targets if isinstance(t, ast.Attribute)}
        return bool(names & _SWITCHES) and not _true(node.value)
    if isinstance(node.func, ast.Attribute):
        given = [*node.args, *(k.value for k in node.keywords)]
        return node.func.attr == "requires_grad_" and bool(given) and not _true(given[0])
    return False


def _true(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True
