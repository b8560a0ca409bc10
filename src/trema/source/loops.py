"""The loop that trains: outwards from the line of a step to the outermost loop around it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from trema.core.diagnosis import Location
from trema.source.calls import called_name
from trema.source.reading import SourceTree, begin, end
from trema.source.scopes import FUNCTIONS, LOOPS, scope_of
from trema.source.syntax import argument_node, current_tree

Loop = ast.For | ast.AsyncFor | ast.While
#: Functions that are followed from their body to their only call.
_DEPTH = 4


def loop_around(step: Location, made: Location | None = None) -> Location | None:
    """The head of the outermost loop in which one training runs, ``for epoch in range(9)``.

    A loop that makes the optimizer anew, over seeds or folds, holds several trainings and is not
    meant. From a function the way leads on to its call, where the file has only one.

    step : the call that updates the weights
    made : where the optimizer was made
    """
    tree = current_tree(step)
    node = _call_at(tree, step) if tree is not None else None
    if tree is None or node is None:
        return None
    loop = _outermost(tree, node, set(_names(node)), made, _DEPTH)
    return head_of(tree, loop) if loop is not None else None


def head_of(tree: SourceTree, loop: Loop) -> Location:
    """Where a loop is stated, without its body."""
    last = loop.test if isinstance(loop, ast.While) else loop.iter
    return tree.span(*begin(loop), *end(last))


def _outermost(
    tree: SourceTree, node: ast.AST, names: set[str], made: Location | None, depth: int
) -> Loop | None:
    scope = scope_of(tree, node)
    found: Loop | None = None
    for parent in tree.ancestors(node):
        if parent is scope:
            break
        if isinstance(parent, LOOPS):
            if _makes(tree, parent, names, made):
                return found
            found = parent
    if not isinstance(scope, FUNCTIONS) or isinstance(scope, ast.Lambda) or not depth:
        return found
    if _makes(tree, scope, names, made):
        return found
    uses = [call for call in tree.calls if called_name(tree, call) == scope.name]
    if len(uses) != 1 or scope in tree.ancestors(uses[0]) or _named(tree, scope.name) != 1:
        return found
    given = {name for name in names for name in _given_for(name, scope, uses[0])}
    return _outermost(tree, uses[0], given, made, depth - 1) or found


def _given_for(
    name: str, function: ast.FunctionDef | ast.AsyncFunctionDef, call: ast.Call
) -> Iterator[str]:
    """The name that a call gives for a parameter; the same name where it is none."""
    parameters = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args)]
    if name not in parameters:
        yield name
        return
    method = parameters[:1] == ["self"]
    value = argument_node(call, name, parameters.index(name) - method)
    if isinstance(value, ast.Name):
        yield value.id


def _makes(tree: SourceTree, around: ast.AST, names: set[str], made: Location | None) -> bool:
    """Whether the optimizer, or a name that the step uses, is made in this loop or function."""
    low, high = getattr(around, "lineno", 0), getattr(around, "end_lineno", 0)
    if made is not None and made.file == tree.file and low <= made.line <= high:
        return True
    return any(
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in names
        for part in getattr(around, "body", [])
        for node in ast.walk(part)
    )


def _names(call: ast.Call) -> Iterator[str]:
    """The object whose method is called, and the names that are given: ``scaler.step(opt)``."""
    parts = [*call.args, *(word.value for word in call.keywords)]
    if isinstance(call.func, ast.Attribute):
        parts.append(call.func.value)
    for part in parts:
        if isinstance(part, ast.Name):
            yield part.id


def _named(tree: SourceTree, name: str) -> int:
    return sum(
        isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name
        for node in tree.nodes
    )


def _call_at(tree: SourceTree, place: Location) -> ast.Call | None:
    fits = [call for call in tree.calls if call.lineno <= place.line <= end(call)[0]]
    exact = [call for call in fits if tree.location(call) == place]
    if len(exact) == 1:
        return exact[0]
    return fits[0] if len(fits) == 1 else None
