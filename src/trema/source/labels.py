"""Where labels were made: the value last given to the name that an argument takes them from."""

from __future__ import annotations

import ast

from trema.core.diagnosis import Location
from trema.source.calls import called_name
from trema.source.following import expression_at
from trema.source.reading import SourceTree
from trema.source.scopes import assigned_value
from trema.source.splits import part_split
from trema.source.syntax import argument_node, current_tree

#: Calls that give the same numbers to another library, and methods that do.
_CONVERSIONS = frozenset(
    {"as_tensor", "tensor", "from_numpy", "asarray", "array", "convert_to_tensor", "ravel"}
)
_METHODS = frozenset({"to_numpy", "values", "numpy", "float", "long", "astype", "to", "tolist"})
_METHODS |= {"reshape", "ravel", "flatten", "squeeze", "unsqueeze", "copy", "cpu", "view", "type"}
#: Steps from a name to a value, at most.
_HOPS = 12


def labels_of(argument: Location) -> Location | None:
    """The value assigned to ``y`` for the argument ``y`` or ``y[:n]``; None for anything else.

    What only converts another name is followed to that name, and the parts of a split to the
    array that was split.
    """
    tree = current_tree(argument)
    node = expression_at(tree, argument) if tree is not None else None
    while isinstance(node, ast.Subscript):
        node = node.value
    if tree is None or not isinstance(node, ast.Name):
        return None
    value = _assigned(tree, node)
    for _ in range(_HOPS):
        given = _given(tree, value) if value is not None else None
        before = _assigned(tree, given) if given is not None else None
        if before is None:
            break
        value = before
    return tree.location(value) if value is not None else None


def _assigned(tree: SourceTree, name: ast.Name) -> ast.expr | ast.stmt | None:
    """The value of a name; of a part of a split the array that was split."""
    value = assigned_value(tree, name)
    part = part_split(tree, name, value)
    if part is None:
        return value
    if isinstance(part, ast.Name):
        return _assigned(tree, part) or value
    return part


def _given(tree: SourceTree, value: ast.expr | ast.stmt) -> ast.Name | None:
    """The name whose numbers an expression gives on in another form."""
    node: ast.expr | None = None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        name = called_name(tree, value)
        if name in _CONVERSIONS or name.endswith("Tensor"):
            node = argument_node(value, "data", 0) or argument_node(value, "x", 0)
        if node is None and name in _METHODS:
            node = value.func.value
    elif isinstance(value, ast.Call) and called_name(tree, value) in _CONVERSIONS:
        node = argument_node(value, "data", 0)
    elif isinstance(value, ast.Attribute) and value.attr in _METHODS:
        node = value.value
    while isinstance(node, ast.Subscript):
        node = node.value
    return node if isinstance(node, ast.Name) else None
