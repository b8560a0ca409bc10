"""Where a model's output function is applied by a call: ``torch.relu(…)``, ``x.softmax(1)``."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from trema.core.diagnosis import Location
from trema.source.calls import called_name
from trema.source.following import expression_at
from trema.source.owners import qualified_name
from trema.source.reading import SourceTree, source_tree
from trema.source.scopes import assigned_value, scope_of
from trema.source.syntax import current_tree

#: Calls that only move values, so that the function stands before them.
_MOVES = frozenset(
    {"squeeze", "unsqueeze", "view", "reshape", "flatten", "contiguous", "permute", "transpose"}
    | {"movedim", "float", "double", "half", "to", "t", "unflatten"}
)
#: What else an operation of the graph is called in the text.
_NAMES = {"clamp_min": ("clamp", "clip"), "clamp": ("clip",), "hardtanh": ("relu6", "clamp")}
_HOPS = 12

#: An attribute of the class -> the file and qualified name of the class it holds, if the user's.
Inside = Callable[[str], tuple[str, str] | None]


def output_call(file: str, qualname: str, operation: str, inside: Inside) -> Location | None:
    """The call in ``forward`` whose result the class returns, where it does this operation.

    Parameters
    ----------
    operation : as the graph names it: ``LogSoftmax``, ``Relu``
    inside : the user's class that an attribute of the module holds

    Returns
    -------
    The call on the way to every ``return``, else the only such call of the class; None where the
    text does not tell.
    """
    tree = source_tree(file)
    owner = _class(tree, qualname) if tree is not None else None
    if tree is None or owner is None:
        return None
    words = _words(operation)
    found = [_outermost(tree, owner, value, words, inside, _HOPS) for value in _returned(owner)]
    if found and all(place is not None and place == found[0] for place in found):
        return found[0]
    if any(place is not None for place in found):
        return None
    calls = [
        node
        for node in ast.walk(owner)
        if isinstance(node, ast.Call) and called_name(tree, node) in words
    ]
    return tree.location(calls[0]) if len(calls) == 1 else None


def applied_in(value: Location, operation: str) -> Location | None:
    """The same for the expression that a loss reads: the output function outside of the model."""
    tree = current_tree(value)
    node = expression_at(tree, value) if tree is not None else None
    if tree is None or node is None:
        return None
    return _outermost(tree, None, node, _words(operation), lambda _: None, _HOPS)


def _words(operation: str) -> frozenset[str]:
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()
    return frozenset({word, f"{word}_", *_NAMES.get(word, ())})


def _class(tree: SourceTree, qualname: str) -> ast.ClassDef | None:
    for node in tree.nodes:
        if isinstance(node, ast.ClassDef) and qualified_name(tree, node) == qualname:
            return node
    return None


def _returned(owner: ast.ClassDef, name: str = "forward") -> Iterator[ast.expr]:
    """What a method of the class returns."""
    for part in owner.body:
        if isinstance(part, ast.FunctionDef) and part.name == name:
            for node in ast.walk(part):
                if isinstance(node, ast.Return) and node.value is not None:
                    yield node.value


def _outermost(
    tree: SourceTree,
    owner: ast.ClassDef | None,
    node: ast.AST,
    words: frozenset[str],
    inside: Inside,
    hops: int,
) -> Location | None:
    """The call that made the value, moves and names looked through."""
    if not hops:
        return None
    if isinstance(node, ast.Name):
        value = assigned_value(tree, node)
        again = isinstance(value, ast.expr) and not isinstance(value, (ast.Tuple, ast.List))
        return _outermost(tree, owner, value, words, inside, hops - 1) if value and again else None
    if isinstance(node, ast.Subscript):
        return _outermost(tree, owner, node.value, words, inside, hops - 1)
    if not isinstance(node, ast.Call):
        return None
    name = called_name(tree, node)
    if name in words:
        return tree.location(node)
    function = node.func
    if not isinstance(function, ast.Attribute):
        return None
    if isinstance(function.value, ast.Name) and function.value.id == "self":
        return _in_own(tree, owner, function.attr, words, inside, hops - 1)
    if name in _MOVES:
        whole = isinstance(function.value, ast.Name) and _is_module(tree, function.value)
        moved = node.args[0] if whole and node.args else function.value
        return _outermost(tree, owner, moved, words, inside, hops - 1)
    return None


def _in_own(
    tree: SourceTree,
    owner: ast.ClassDef | None,
    attribute: str,
    words: frozenset[str],
    inside: Inside,
    hops: int,
) -> Location | None:
    """The call in a method of the class, or in the class that its attribute holds."""
    if owner is None:
        return None
    values = list(_returned(owner, attribute))
    if values:
        found = [_outermost(tree, owner, value, words, inside, hops) for value in values]
        return found[0] if all(place == found[0] for place in found) else None
    held = inside(attribute)
    other = source_tree(held[0]) if held is not None else None
    part = _class(other, held[1]) if other is not None and held is not None else None
    if other is None or part is None:
        return None
    found = [_outermost(other, part, v, words, lambda _: None, hops) for v in _returned(part)]
    return found[0] if found and all(place == found[0] for place in found) else None


def _is_module(tree: SourceTree, name: ast.Name) -> bool:
    """Whether a name stands for an imported module, as ``torch`` in ``torch.squeeze(x, 1)``."""
    if assigned_value(tree, name) is not None or scope_of(tree, name) is None:
        return False
    return any(
        (alias.asname or alias.name.split(".")[0]) == name.id
        for node in tree.nodes
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    )
