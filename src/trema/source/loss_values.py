"""Where a loss is computed: from ``loss.backward()`` back to the expression that makes it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from trema.core.diagnosis import Location
from trema.source.calls import called_name
from trema.source.following import call_of, expression_at, functions_called
from trema.source.reading import SourceTree
from trema.source.scopes import assigned_value
from trema.source.syntax import current_tree

#: Methods and operators that a total of losses or its scale is made with.
_HOPS = 4
#: What calls of the text may be, by the operation of the graph.
OPERATIONS = {
    "logarithm": frozenset({"log", "log2", "log10", "log1p", "log_", "xlogy"}),
    "square root": frozenset({"sqrt", "sqrt_", "rsqrt"}),
    "exponential": frozenset({"exp", "exp_", "expm1", "exp2"}),
    "division": frozenset({"div", "divide", "true_divide", "reciprocal"}),
    "difference": frozenset({"sub", "subtract"}),
}
_OPERATORS: dict[str, type[ast.operator]] = {"division": ast.Div, "difference": ast.Sub}


def loss_value(backward: Location) -> Location | None:
    """What was assigned to the name whose ``backward`` is called, or the receiver itself."""
    tree = current_tree(backward)
    call = call_of(tree, backward) if tree is not None else None
    value = _value(tree, call) if tree is not None and call is not None else None
    return tree.location(value) if tree is not None and value is not None else None


def operation_in(value: Location, operation: str) -> Location | None:
    """The operation in the expression of a loss, or in the user's function that it calls.

    None where the text shows it on no line or on several.
    """
    tree = current_tree(value)
    whole = expression_at(tree, value) if tree is not None else None
    if tree is None or whole is None:
        return None
    names = OPERATIONS.get(operation, frozenset())
    parts: list[tuple[SourceTree, ast.AST]] = [(tree, whole)]
    for call in ast.walk(whole):
        if isinstance(call, ast.Call):
            parts += functions_called(tree, call)
    found = [
        (where, node)
        for where, part in parts
        for node in _operations(where, part, names, _OPERATORS.get(operation))
    ]
    if len({(where.file, node.lineno) for where, node in found}) != 1:
        return None
    where, node = found[0]
    return where.location(node)


def _operations(
    tree: SourceTree, part: ast.AST, names: frozenset[str], operator: type[ast.operator] | None
) -> Iterator[ast.expr]:
    for node in ast.walk(part):
        if (isinstance(node, ast.Call) and called_name(tree, node) in names) or (
            operator is not None
            and isinstance(node, ast.BinOp)
            and isinstance(node.op, operator)
            and not isinstance(node.right, ast.Constant)
        ):
            yield node


def _value(tree: SourceTree, call: ast.Call) -> ast.expr | None:
    """The expression of the loss; names and ``scaler.scale(…)`` are looked through."""
    function = call.func
    if not isinstance(function, ast.Attribute):
        return None
    node: ast.expr = function.value
    if isinstance(node, ast.Name) and call.args:  # accelerator.backward(loss), fabric.backward
        given = call.args[0]
        node = given if assigned_value(tree, node) is None else node
    for _ in range(_HOPS):
        if isinstance(node, ast.Name):
            value = assigned_value(tree, node)
            if not isinstance(value, ast.expr) or isinstance(value, (ast.Tuple, ast.List)):
                return None
            node = value
        elif isinstance(node, ast.Call) and called_name(tree, node) == "scale" and node.args:
            node = node.args[0]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Mult)):
            if not isinstance(node.left, ast.Name):
                return node
            node = node.left
        else:
            return node
    return None if isinstance(node, ast.Name) else node
