"""Where the graph is cut, behind a layer or before the loss: ``.detach()``, ``.data``, …"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from trema.core.diagnosis import Location
from trema.source.calls import called_name
from trema.source.following import call_of, functions_called
from trema.source.owners import qualified_name
from trema.source.reading import SourceTree, source_tree
from trema.source.scopes import assigned_value
from trema.source.syntax import current_tree

#: Methods and attributes whose value has no history.
_METHODS = frozenset({"detach", "detach_", "item", "numpy", "tolist", "argmax"})
_BLOCKS = ("no_grad", "inference_mode")
_MAKERS = frozenset({"tensor", "from_numpy", "as_tensor"})
_HOPS = 6
#: What makes a tensor that begins a graph of its own.
_BEGINNINGS = frozenset({"tensor", "as_tensor", "Variable", "Parameter", "FloatTensor"})
#: Methods that pass the graph on, so that a cut may stand before them.
_PASSING = frozenset({"requires_grad_", "mean", "sum", "float", "double", "to", "squeeze", "clone"})


def cuts_in(file: str, qualname: str) -> dict[str, Location]:
    """Attribute of a module -> the only expression of its ``forward`` that cuts what it gives."""
    tree = source_tree(file)
    if tree is None:
        return {}
    forward = _forward(tree, qualname)
    if forward is None:
        return {}
    found: dict[str, list[ast.expr]] = {}
    for node, held in _cuts(tree, forward):
        for attribute in _attributes(tree, held, _HOPS):
            found.setdefault(attribute, []).append(node)
    return {name: tree.location(nodes[0]) for name, nodes in found.items() if len(nodes) == 1}


def _forward(tree: SourceTree, qualname: str) -> ast.FunctionDef | None:
    for node in tree.nodes:
        if isinstance(node, ast.ClassDef) and qualified_name(tree, node) == qualname:
            own = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            return next((part for part in own if part.name == "forward"), None)
    return None


def _cuts(tree: SourceTree, forward: ast.FunctionDef) -> Iterator[tuple[ast.expr, ast.AST]]:
    """Each expression that cuts, and what it is applied to."""
    for node in ast.walk(forward):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _METHODS and not node.args:
                yield node, node.func.value
            elif node.func.attr in _MAKERS and node.args:
                yield node, node.args[0]
        elif isinstance(node, ast.Attribute) and node.attr == "data":
            yield node, node.value
        elif isinstance(node, ast.With):
            for item in node.items:
                inner = item.context_expr
                name = inner.func if isinstance(inner, ast.Call) else inner
                if isinstance(name, ast.Attribute) and name.attr in _BLOCKS:
                    yield inner, ast.Module(body=node.body, type_ignores=[])


def _attributes(tree: SourceTree, held: ast.AST, hops: int) -> set[str]:
    """Attributes of ``self`` that are called for a value; names lead to their assignments."""
    found: set[str] = set()
    for node in ast.walk(held):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "self":
                found.add(node.func.attr)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and hops:
            value = assigned_value(tree, node)
            if isinstance(value, ast.expr):
                found |= _attributes(tree, value, hops - 1)
    return found


def loss_cut(backward: Location) -> Location | None:
    """Where the value whose ``backward`` is called lost its history; None where no line shows it.

    Only what makes the loss itself is read, and the result of a function of the user's: targets
    may be cut off, arguments of a loss are no matter.
    """
    tree = current_tree(backward)
    call = call_of(tree, backward) if tree is not None else None
    if tree is None or call is None or not isinstance(call.func, ast.Attribute):
        return None
    value: ast.expr = call.func.value
    if isinstance(value, ast.Name) and call.args and assigned_value(tree, value) is None:
        value = call.args[0]  # accelerator.backward(loss)
    return _cut_of(tree, value, _HOPS)


def _cut_of(tree: SourceTree, node: ast.AST, hops: int) -> Location | None:
    """The expression that cuts what made a value, last one first."""
    if not hops:
        return None
    if isinstance(node, ast.Name):
        value = assigned_value(tree, node)
        if not isinstance(value, ast.expr) or isinstance(value, (ast.Tuple, ast.List)):
            return None
        return _cut_of(tree, value, hops - 1)
    if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant):
        return _cut_of(tree, node.left, hops)  # a scaled loss
    if isinstance(node, ast.Attribute):
        return tree.location(node) if node.attr == "data" else None
    if not isinstance(node, ast.Call):
        return None
    name = called_name(tree, node)
    if isinstance(node.func, ast.Attribute) and name in _METHODS and not node.args:
        return tree.location(node)
    if name in _BEGINNINGS and node.args:
        return tree.location(node)
    if isinstance(node.func, ast.Attribute) and name in _PASSING:
        return _cut_of(tree, node.func.value, hops)
    found = [
        _cut_of(where, part.value, hops - 1)
        for where, function in functions_called(tree, node)
        for part in ast.walk(function)
        if isinstance(part, ast.Return) and part.value is not None
    ]
    return found[0] if found and all(place == found[0] for place in found) else None
