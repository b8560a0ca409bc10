"""From one file to another: calls at a place, and the user's functions that a name means."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import lru_cache

from trema.core.diagnosis import Location
from trema.source.frames import user_path
from trema.source.reading import SourceTree, end, source_tree
from trema.source.scopes import assigned_value

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def call_of(tree: SourceTree, place: Location) -> ast.Call | None:
    """The call at a place, or the only one around its line."""
    exact = [call for call in tree.calls if tree.location(call) == place]
    if exact:
        return exact[0] if len(exact) == 1 else None
    fits = [call for call in tree.calls if call.lineno <= place.line <= end(call)[0]]
    return fits[0] if len(fits) == 1 else None


def expression_at(tree: SourceTree, place: Location) -> ast.expr | None:
    """The expression that a location was made of."""
    nodes = (node for node in tree.nodes if isinstance(node, ast.expr))
    near = (node for node in nodes if abs(node.lineno - place.line) < 2)
    return next((node for node in near if tree.location(node) == place), None)


def definition_of(tree: SourceTree, name: ast.expr) -> tuple[SourceTree, Definition] | None:
    """The user's function or class that a name means, here or in a module it is imported from."""
    if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name):
        module = _imports(tree).get(name.value.id)
        return _defined(module[0], name.attr) if module is not None and not module[1] else None
    if not isinstance(name, ast.Name):
        return None
    if name.id in _imports(tree):
        module_name, inner = _imports(tree)[name.id]
        return _defined(module_name, inner) if inner else None
    own = _definitions(tree, name.id)
    return (tree, own[0]) if len(own) == 1 else None


def value_in_module(tree: SourceTree, name: ast.expr) -> tuple[SourceTree, ast.expr] | None:
    """What a name imported from a user's module, or an attribute of one, is assigned there."""
    module, inner = None, ""
    if isinstance(name, ast.Name):
        module, inner = _imports(tree).get(name.id, (None, ""))
    elif isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name):
        module, nothing = _imports(tree).get(name.value.id, (None, ""))
        inner = "" if nothing else name.attr
    other = module_tree(module) if module and inner else None
    if other is None:
        return None
    values = [
        node.value
        for node in other.tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == inner
    ]
    return (other, values[0]) if len(values) == 1 else None


def functions_called(tree: SourceTree, call: ast.Call) -> Iterator[tuple[SourceTree, Function]]:
    """The user's function that a call runs; of an object of the user's class its ``forward``."""
    found = definition_of(tree, call.func)
    if found is None and isinstance(call.func, ast.Name):
        made = assigned_value(tree, call.func)
        if isinstance(made, ast.Call):
            found = definition_of(tree, made.func)
            if found is not None and not isinstance(found[1], ast.ClassDef):
                return
    if found is None:
        return
    where, node = found
    if not isinstance(node, ast.ClassDef):
        yield where, node
        return
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name in ("forward", "__call__", "call"):
            yield where, part


def module_tree(name: str) -> SourceTree | None:
    """The text of a loaded module of the user."""
    file = getattr(sys.modules.get(name), "__file__", None)
    path = user_path(file) if isinstance(file, str) else None
    return source_tree(path) if path is not None else None


def trees_of(files: Iterator[str] | list[str]) -> list[SourceTree]:
    """The readable ones of these files."""
    return [tree for file in files if (tree := source_tree(file)) is not None]


def user_trees(first: SourceTree) -> list[SourceTree]:
    """The user's files of this process: the one given, then those of loaded modules."""
    files = [first.file]
    for name in list(sys.modules):
        file = getattr(sys.modules.get(name), "__file__", None)
        path = user_path(file) if isinstance(file, str) and file.endswith(".py") else None
        if path is not None and path not in files:
            files.append(path)
    return trees_of(files)


def _defined(module: str, name: str) -> tuple[SourceTree, Definition] | None:
    tree = module_tree(module)
    found = _definitions(tree, name) if tree is not None else []
    return (tree, found[0]) if tree is not None and len(found) == 1 else None


def _definitions(tree: SourceTree, name: str) -> list[Definition]:
    """Functions and classes of this name, methods left out."""
    return [
        node
        for node in tree.nodes
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and node.name == name
        and not isinstance(tree.parents.get(node), ast.ClassDef)
    ]


@lru_cache(maxsize=32)
def _imports(tree: SourceTree) -> dict[str, tuple[str, str]]:
    """Name -> module and the name there, empty for the module itself."""
    found: dict[str, tuple[str, str]] = {}
    for node in tree.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0],
                    "",
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = _absolute(tree, node)
                whole = f"{module}.{alias.name}".strip(".")
                is_module = whole in sys.modules and module_tree(whole) is not None
                name = alias.asname or alias.name
                found[name] = (whole, "") if is_module else (module, alias.name)
    return found


def _absolute(tree: SourceTree, node: ast.ImportFrom) -> str:
    """The module of an import; a relative one is told by the loaded module of the file."""
    if not node.level:
        return node.module or ""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and user_path(file) == tree.file:
            package = getattr(module, "__package__", None) or ""
            parts = package.split(".")[: len(package.split(".")) - node.level + 1]
            return ".".join([*parts, *([node.module] if node.module else [])])
    return node.module or ""
