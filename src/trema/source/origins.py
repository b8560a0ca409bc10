"""Where data come from: from an argument back through names to the expression that reads them."""

from __future__ import annotations

import ast

from trema.core.diagnosis import Location
from trema.source.calls import called_name
from trema.source.reading import SourceTree
from trema.source.scopes import assigned_value, bound_values
from trema.source.splits import part_split
from trema.source.syntax import current_tree

#: Methods that give the same data in another form.
_SAME = frozenset(
    {
        *("astype", "reshape", "to_numpy", "float", "double", "half", "long", "int", "view", "to"),
        *("cpu", "numpy", "copy", "clone", "contiguous", "flatten", "squeeze", "unsqueeze"),
        *("transpose", "permute", "swapaxes", "clip", "ravel", "type", "div", "div_", "sub"),
        *("sub_", "mul", "mul_", "drop", "dropna", "fillna", "head", "sample", "pop"),
        *("sort_values", "reset_index", "batch", "shuffle", "prefetch", "cache", "repeat", "map"),
    }
)
#: What reads data: names of functions, and how names of such functions begin.
_READS = frozenset({"load", "loadtxt", "genfromtxt", "fromfile", "open", "memmap", "imread"})
_READ_STARTS = ("load_", "read_", "fetch_", "make_", "get_", "from_csv")
#: Steps from one expression to the next, at most.
_HOPS = 24


def origin(location: Location) -> Location | None:
    """The expression that reads or makes the data of the expression at `location`.

    Names are followed to their assignments, conversions and splits to what they were given, and
    functions of the same file to what they return. The last expression that the text shows is
    told; None where that is only a name, as of a parameter, or the file has changed.
    """
    tree = current_tree(location)
    node: ast.expr | ast.stmt | None = _node_at(tree, location) if tree is not None else None
    if tree is None or node is None:
        return None
    seen: set[ast.AST] = {node}
    for _ in range(_HOPS):
        following = _before(tree, node)
        if following is None or following in seen:
            break
        seen.add(following)
        node = following
    return None if isinstance(node, ast.Name) else tree.location(node)


def _node_at(tree: SourceTree, location: Location) -> ast.expr | None:
    for node in tree.nodes:
        if not isinstance(node, ast.expr) or node.lineno != location.line:
            continue
        if tree.location(node) == location:
            return node
    return None


def _before(tree: SourceTree, node: ast.expr | ast.stmt) -> ast.expr | ast.stmt | None:
    """What an expression has its data from; None where it is the beginning."""
    if isinstance(node, ast.AugAssign):
        return _assigned(tree, node.target)
    if isinstance(node, ast.Name):
        return _assigned(tree, node)
    if isinstance(node, ast.Starred):
        return node.value
    if isinstance(node, (ast.Subscript, ast.Attribute)):
        return node.value if _leads_on(tree, node.value) else None
    if isinstance(node, ast.BinOp):
        return next((part for part in (node.left, node.right) if _leads_on(tree, part)), None)
    if isinstance(node, ast.UnaryOp):
        return node.operand
    if isinstance(node, ast.IfExp):
        return None
    if isinstance(node, (ast.Tuple, ast.List)) and node.elts:
        return node.elts[0] if _leads_on(tree, node.elts[0]) else None
    return _given(tree, node) if isinstance(node, ast.Call) else None


def _assigned(tree: SourceTree, node: ast.expr) -> ast.expr | ast.stmt | None:
    """What a name was assigned; where branches may change it, the one value it began with."""
    if not isinstance(node, ast.Name):
        return None
    value = assigned_value(tree, node)
    if value is not None:
        return part_split(tree, node, value) or value
    begun = [
        value
        for value in bound_values(tree, node)
        if value is None
        or not any(isinstance(part, ast.Name) and part.id == node.id for part in ast.walk(value))
    ]
    return begun[0] if len(begun) == 1 else None


def _given(tree: SourceTree, call: ast.Call) -> ast.expr | ast.stmt | None:
    name = called_name(tree, call)
    function = call.func
    if name in _READS or name.startswith(_READ_STARTS):
        return _returned(tree, function)
    if isinstance(function, ast.Attribute) and name in _SAME and _leads_on(tree, function.value):
        return function.value
    for part in call.args[:1]:
        if _leads_on(tree, part):
            return part
    for word in call.keywords:
        if word.arg in ("data", "x", "X", "input", "tensors") and _leads_on(tree, word.value):
            return word.value
    return _returned(tree, function)


def _returned(tree: SourceTree, function: ast.expr) -> ast.expr | None:
    """What a function of the same file returns, where it returns in one place."""
    if not isinstance(function, ast.Name):
        return None
    made = [
        node
        for node in tree.tree.body
        if isinstance(node, ast.FunctionDef) and node.name == function.id
    ]
    if len(made) != 1:
        return None
    returns = [node for node in ast.walk(made[0]) if isinstance(node, ast.Return)]
    return returns[0].value if len(returns) == 1 else None


def _leads_on(tree: SourceTree, node: ast.expr) -> bool:
    """Whether data can stand behind an expression: a name with an assignment, or a call."""
    while isinstance(node, (ast.Subscript, ast.Attribute, ast.Starred)):
        node = node.value
    if isinstance(node, ast.Name):
        value = _assigned(tree, node)
        return value is not None and not isinstance(value, ast.Constant)
    return isinstance(node, (ast.Call, ast.BinOp))
