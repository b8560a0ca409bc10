"""One step back: to what a name, a parameter or a call of the user has its value from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from trema.source.calls import called_name
from trema.source.following import definition_of, user_trees
from trema.source.reading import SourceTree
from trema.source.scopes import assigned_value, bound_values, scope_of
from trema.source.syntax import argument_node


@dataclass(frozen=True)
class Entered:
    """How a function was entered: its parameters have their values from here."""

    tree: SourceTree
    call: ast.Call
    function: ast.FunctionDef | ast.AsyncFunctionDef
    caller: Entered | None


@dataclass(frozen=True)
class At:
    tree: SourceTree
    node: ast.AST
    caller: Entered | None = None

    def to(self, node: ast.AST) -> At:
        return At(self.tree, node, self.caller)


def values_of(at: At) -> Iterator[At]:
    """What a name or an attribute of ``self`` has its value from."""
    node = at.node
    if isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            yield from _of_self(at, node)
        return
    if not isinstance(node, ast.Name):
        return
    value = assigned_value(at.tree, node)
    if value is None:
        bound = [v for v in bound_values(at.tree, node) if v is not None]
        value = bound[0] if len(bound) == 1 else None
    if isinstance(value, ast.expr):
        yield at.to(_looped(at.tree, node, value))
        return
    yield from _parameter(at, node)


def _looped(tree: SourceTree, name: ast.Name, value: ast.expr) -> ast.expr:
    """Of ``for a, b in zip(x, y)`` the one that the name runs over."""
    loop = tree.parents.get(value)
    if not isinstance(loop, ast.For) or not isinstance(value, ast.Call):
        return value
    called = called_name(tree, value)
    target = loop.target
    if called == "enumerate" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
        return value.args[0] if value.args else value
    if called != "zip" or not isinstance(target, ast.Tuple):
        return value
    for part, given in zip(target.elts, value.args, strict=False):
        if isinstance(part, ast.Name) and part.id == name.id:
            return given
    return value


def _of_self(at: At, node: ast.Attribute) -> Iterator[At]:
    around = [up for up in at.tree.ancestors(node) if isinstance(up, ast.ClassDef)]
    if not around:
        return
    found = [
        part.value
        for part in ast.walk(around[0])
        if isinstance(part, ast.Assign)
        for target in part.targets
        if isinstance(target, ast.Attribute)
        and target.attr == node.attr
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    ]
    if len(found) == 1:
        yield At(at.tree, found[0])


def _parameter(at: At, name: ast.Name) -> Iterator[At]:
    """What the only caller gives for a parameter, else its default."""
    scope = scope_of(at.tree, name)
    if not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return
    names = [arg.arg for arg in (*scope.args.posonlyargs, *scope.args.args)]
    if name.id not in names and all(arg.arg != name.id for arg in scope.args.kwonlyargs):
        return
    entered = at.caller if at.caller is not None and at.caller.function is scope else None
    entered = entered or only_caller(at.tree, scope)
    if entered is None:
        return
    method = names[:1] in (["self"], ["cls"])
    position = names.index(name.id) - method if name.id in names else None
    value = argument_node(entered.call, name.id, position)
    if value is not None:
        yield At(entered.tree, value, entered.caller)


def only_caller(
    tree: SourceTree, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> Entered | None:
    """The only call of a function, or of its class for a constructor, in the user's files."""
    parent = tree.parents.get(function)
    meant: ast.AST = function
    name = function.name
    if isinstance(parent, ast.ClassDef):
        if name != "__init__":
            return None
        name = parent.name
        meant = parent
    found = [
        Entered(other, call, function, None)
        for other in user_trees(tree)
        for call in other.calls
        if called_name(other, call) == name
        and (defined := definition_of(other, call.func)) is not None
        and defined[1] is meant
    ]
    return found[0] if len(found) == 1 else None


def returned(at: At, call: ast.Call) -> Iterator[At]:
    """What the user's function returns, where it returns in one place."""
    defined = definition_of(at.tree, call.func)
    if defined is None or isinstance(defined[1], ast.ClassDef):
        return
    tree, function = defined[0], defined[1]
    returns = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
    if len(returns) == 1 and returns[0].value is not None:
        yield At(tree, returns[0].value, Entered(at.tree, call, function, at.caller))
