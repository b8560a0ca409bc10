"""Attributes of the user's classes in the source: what is assigned to them, and by which class."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from trema.source.reading import SourceTree
from trema.source.scopes import FUNCTIONS

_SETTERS = ("add_module", "register_module")
Value = tuple[SourceTree, ast.expr]


def assigned_to(
    trees: Sequence[SourceTree],
    attribute: str,
    owner: tuple[str, str] | None = None,
    index: int | None = None,
) -> Iterator[Value]:
    """Everything assigned to an attribute, or with `index` to an element of it.

    ``self.fc = …`` counts in the owner and its base classes only (any class when `owner` is None);
    ``model.fc = …`` always counts, because a variable can refer to any object.
    """
    family = _family(trees, owner) if owner is not None else None
    for tree in trees:
        for node in tree.nodes:
            for holder, value in _settings(node, attribute, index):
                inside = _class_of_self(tree, holder)
                if inside is None or family is None or inside in family:
                    yield tree, value


def super_calls(
    trees: Sequence[SourceTree], owner: tuple[str, str]
) -> Iterator[tuple[SourceTree, ast.Call]]:
    """Calls of ``super().__init__(…)`` in a class, as a user's own sequential model makes one."""
    for tree in trees:
        for call in tree.calls if tree.file == owner[0] else ():
            function = call.func
            if isinstance(function, ast.Attribute) and function.attr == "__init__":
                inside = _class_around(tree, call)
                if inside is not None and qualified_name(tree, inside) == owner[1]:
                    yield tree, call


def qualified_name(tree: SourceTree, node: ast.ClassDef) -> str:
    """The ``__qualname__`` of a class."""
    parts = [node.name]
    for parent in tree.ancestors(node):
        if isinstance(parent, ast.ClassDef):
            parts.append(parent.name)
        elif isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            parts += ["<locals>", parent.name]
    return ".".join(reversed(parts))


def _settings(
    node: ast.AST, attribute: str, index: int | None
) -> Iterator[tuple[ast.expr, ast.expr]]:
    """The object whose attribute a statement sets, and the value."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _targets(target, node.value, attribute, index)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield from _targets(node.target, node.value, attribute, index)
    elif isinstance(node, ast.Call) and index is None:
        function = node.func
        if isinstance(function, ast.Name) and function.id == "setattr":
            holder, rest = node.args[:1], node.args[1:]
        elif isinstance(function, ast.Attribute) and function.attr in _SETTERS:
            holder, rest = [function.value], node.args
        else:
            return
        if len(holder) != 1 or len(rest) != 2 or not isinstance(rest[0], ast.Constant):
            return
        if rest[0].value == attribute:
            yield holder[0], rest[1]


def _targets(
    target: ast.expr, value: ast.expr, attribute: str, index: int | None
) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        if len(target.elts) == len(value.elts):
            for inner, part in zip(target.elts, value.elts, strict=True):
                yield from _targets(inner, part, attribute, index)
        return
    if index is not None:
        if not isinstance(target, ast.Subscript) or not isinstance(target.slice, ast.Constant):
            return
        if target.slice.value != index:
            return
        target = target.value
    if isinstance(target, ast.Attribute) and target.attr == attribute:
        yield target.value, value


def _class_of_self(tree: SourceTree, holder: ast.expr) -> ast.ClassDef | None:
    """The class in whose method `holder` is the first parameter, `self`; None otherwise."""
    if not isinstance(holder, ast.Name):
        return None
    child: ast.AST = holder
    for parent in tree.ancestors(holder):
        if isinstance(parent, ast.ClassDef) and isinstance(child, FUNCTIONS):
            first = [*child.args.posonlyargs, *child.args.args][:1]
            return parent if first and first[0].arg == holder.id else None
        child = parent
    return None


def _class_around(tree: SourceTree, node: ast.AST) -> ast.ClassDef | None:
    return next((up for up in tree.ancestors(node) if isinstance(up, ast.ClassDef)), None)


def _family(trees: Sequence[SourceTree], owner: tuple[str, str]) -> frozenset[ast.ClassDef]:
    """The class and those of its base classes that stand in the same sources."""
    classes = [
        (tree, node) for tree in trees for node in tree.nodes if isinstance(node, ast.ClassDef)
    ]
    todo = [
        node
        for tree, node in classes
        if tree.file == owner[0] and qualified_name(tree, node) == owner[1]
    ]
    family: set[ast.ClassDef] = set()
    while todo:
        current = todo.pop()
        family.add(current)
        bases = {ast.unparse(base).rpartition(".")[2] for base in current.bases}
        todo += [node for _, node in classes if node.name in bases and node not in family]
    return frozenset(family)
