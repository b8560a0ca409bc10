"""How often a loop steps: the divisor in ``if (index + 1) % every == 0: optimizer.step()``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from trema.core.diagnosis import Location
from trema.source.following import call_of
from trema.source.scopes import scope_of
from trema.source.syntax import current_tree


def step_interval(backward: Location) -> Location | None:
    """The divisor of the only condition, beside a ``backward``, under which a ``step`` is made.

    None where a ``step`` stands without a condition, or where there are several.
    """
    tree = current_tree(backward)
    call = call_of(tree, backward) if tree is not None else None
    if tree is None or call is None:
        return None
    found: list[ast.expr] = []
    for step in _steps(scope_of(tree, call)):
        tests = [node.test for node in tree.ancestors(step) if isinstance(node, ast.If)]
        parts = [part for test in tests for part in ast.walk(test)]
        divisors = [
            part.right
            for part in parts
            if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mod)
        ]
        if len(divisors) != 1:
            return None
        found += divisors
    texts = {tree.segment(divisor) for divisor in found}
    return tree.location(found[0]) if len(texts) == 1 else None


def _steps(scope: ast.AST) -> Iterator[ast.Call]:
    """Calls of ``step`` in a function or module, as of an optimizer or a scaler."""
    for node in ast.walk(scope):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr == "step" and "sched" not in ast.unparse(node.func.value).lower():
            yield node
