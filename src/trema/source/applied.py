"""Calls by name near a place: the reshape before a layer, the attention of a model."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from trema.core.diagnosis import Location
from trema.source.calls import called_name
from trema.source.reading import SourceTree, source_tree
from trema.source.syntax import argument_node, current_tree

#: Calls that give values other axes without moving them.
RESHAPES = frozenset({"view", "reshape", "view_as", "reshape_as", "unflatten"})
#: Words for a mask among the arguments of attention.
_MASKS = ("is_causal", "attn_mask", "mask", "src_mask", "tgt_mask")


def reshape_near(place: Location) -> Location | None:
    """The only reshape in the function around a place."""
    tree = current_tree(place)
    around = _function(tree, place) if tree is not None else None
    if tree is None or around is None:
        return None
    found = [c for c in tree.calls if _name(c) in RESHAPES and around in tree.ancestors(c)]
    return tree.location(found[0]) if len(found) == 1 else None


def attention_in(files: Iterable[str]) -> Location | None:
    """The only call of fused attention without a mask, else the only softmax in a method."""
    trees = [tree for file in files if (tree := source_tree(file)) is not None]
    fused = [
        (tree, call)
        for tree in trees
        for call in tree.calls
        if called_name(tree, call).rpartition(".")[2] == "scaled_dot_product_attention"
    ]
    if fused:
        open_ones = [(tree, call) for tree, call in fused if not _masked(call)]
        return open_ones[0][0].location(open_ones[0][1]) if len(open_ones) == 1 else None
    soft = [
        (tree, call)
        for tree in trees
        for call in tree.calls
        if _name(call) == "softmax"
        and any(isinstance(n, ast.ClassDef) for n in tree.ancestors(call))
    ]
    return soft[0][0].location(soft[0][1]) if len(soft) == 1 else None


def _masked(call: ast.Call) -> bool:
    return len(call.args) > 3 or any(argument_node(call, name) is not None for name in _MASKS)


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _function(tree: SourceTree, place: Location) -> ast.AST | None:
    """The innermost function whose lines hold a place."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    holding = [
        node
        for node in tree.nodes
        if isinstance(node, kinds) and node.lineno <= place.line <= (node.end_lineno or 0)
    ]
    return max(holding, key=lambda node: node.lineno, default=None)
