"""Where a model's forward cuts the graph behind a layer: ``.detach()``, ``.data``, ``no_grad``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from trema.core.diagnosis import Location
from trema.source.owners import qualified_name
from trema.source.reading import SourceTree, source_tree
from trema.source.scopes import assigned_value

#: Methods and attributes whose value has no history.
_METHODS = frozenset({"detach", "detach_", "item", "numpy", "tolist", "argmax"})
_BLOCKS = ("no_grad", "inference_mode")
_MAKERS = frozenset({"tensor", "from_numpy", "as_tensor"})
_HOPS = 6


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
    for node in ast.walk(tree.tree):
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
