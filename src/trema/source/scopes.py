"""Where a name got its value: one hop from a plain name to the assignment that it must mean."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from trema.core.diagnosis import Location
from trema.source.notebook import is_cell
from trema.source.reading import SourceTree, begin
from trema.source.syntax import current_tree

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (*FUNCTIONS, ast.ClassDef, ast.Module)
_BRANCHES = (ast.If, *LOOPS, ast.Try, ast.TryStar, ast.ExceptHandler, ast.Match, ast.match_case)
_MAYBE = (*_BRANCHES, ast.IfExp, ast.BoolOp, *COMPREHENSIONS)


def assignment(location: Location) -> Location | None:
    """The value that the plain name at `location` was assigned; None where it may be another.

    The last assignment before the name in its scope counts when it must have run: not in a branch
    or loop that the name is outside of, and not changed later in a loop around both. A name that
    is not bound in its function counts when the function or module around it binds it once.
    """
    tree = current_tree(location)
    if tree is None:
        return None
    for node in tree.nodes:
        if not isinstance(node, ast.Name) or node.lineno != location.line:
            continue
        if tree.location(node) == location:
            value = assigned_value(tree, node)
            return tree.location(value) if value is not None else None
    return None


def assigned_value(tree: SourceTree, use: ast.Name) -> ast.expr | ast.stmt | None:
    """The expression a name must have its value from (the statement itself for ``x *= 2``)."""
    if _shared(tree, use.id) or _of_comprehension(tree, use):
        return None
    scope = scope_of(tree, use)
    bindings = list(_bindings(tree, scope, use.id))
    if bindings:
        found = _reaching(tree, bindings, use)
        return found.value if found is not None else None
    for outer in tree.ancestors(scope):
        if isinstance(outer, ast.Module) and is_cell(tree.file):
            return None  # another cell may have bound it again
        if isinstance(outer, (*FUNCTIONS, ast.Module)):
            bindings = list(_bindings(tree, outer, use.id))
            if bindings:
                return bindings[0].value if len(bindings) == 1 else None
    return None


def bound_values(tree: SourceTree, use: ast.Name) -> list[ast.expr | ast.stmt | None]:
    """Every value that the name's own scope binds it to, in the order of the text; None for one
    that no line shows."""
    return [binding.value for binding in _bindings(tree, scope_of(tree, use), use.id)]


def scope_of(tree: SourceTree, node: ast.AST) -> ast.AST:
    """The function, class or module whose names a node sees first."""
    child = node
    for parent in tree.ancestors(node):
        if isinstance(parent, ast.Lambda) and child is parent.body:
            return parent
        if not isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            child = parent
            continue
        if child in parent.body:  # decorators and defaults belong to the scope around
            return parent
        child = parent
    return tree.tree


@dataclass(frozen=True)
class _Binding:
    node: ast.AST  # what binds the name
    value: ast.expr | ast.stmt | None  # None: a parameter, an import, a function, …
    at: tuple[int, int]


def _bindings(tree: SourceTree, scope: ast.AST, name: str) -> Iterator[_Binding]:
    """Everything in a scope that binds a name, in the order of the text."""
    if isinstance(scope, FUNCTIONS):
        args = scope.args
        for parameter in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
            if parameter is not None and parameter.arg == name:
                yield _Binding(scope, None, (0, 0))
    found = [
        _Binding(node, value, begin(node))
        for node in _own_nodes(scope)
        for value in _values(tree, node, name)
    ]
    yield from sorted(found, key=lambda binding: binding.at)


def _own_nodes(scope: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Expressions and statements of a scope, without those of the scopes inside it."""
    body = getattr(scope, "body", [])
    todo: list[ast.AST] = list(body) if isinstance(body, list) else [body]
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.expr, ast.stmt)):
            yield node
        if not isinstance(node, _SCOPES):
            todo.extend(ast.iter_child_nodes(node))


def _values(
    tree: SourceTree, node: ast.expr | ast.stmt, name: str
) -> Iterator[ast.expr | ast.stmt | None]:
    """The value each time `node` itself binds the name; None for one that no line shows."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _unpacked(target, node.value, name)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield from _unpacked(node.target, node.value, name)
    elif isinstance(node, ast.AugAssign):
        yield from (node for _ in _unpacked(node.target, node.value, name))
    elif isinstance(node, ast.NamedExpr):
        yield from _unpacked(node.target, node.value, name)
    elif isinstance(node, (ast.For, ast.AsyncFor)):
        yield from _unpacked(node.target, node.iter, name)
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        for item in node.items:
            if item.optional_vars is not None:
                yield from (None for _ in _unpacked(item.optional_vars, item.context_expr, name))
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            if (alias.asname or alias.name.split(".")[0]) == name:
                yield None
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        if node.name == name:
            yield None
    elif isinstance(node, (ast.Try, ast.TryStar)):
        yield from (None for handler in node.handlers if handler.name == name)
    elif isinstance(node, ast.Match):
        patterns = (inner for case in node.cases for inner in ast.walk(case.pattern))
        yield from (None for inner in patterns if name in _captured(inner))


def _captured(pattern: ast.AST) -> tuple[str | None, ...]:
    return getattr(pattern, "name", None), getattr(pattern, "rest", None)


def _unpacked(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    """The part of a value that a name in the target receives; the whole where it is not shown."""
    if isinstance(target, ast.Name):
        if target.id == name:
            yield value
    elif isinstance(target, ast.Starred):
        yield from _unpacked(target.value, value, name)
    elif isinstance(target, (ast.Tuple, ast.List)):
        parts = _shown_parts(target, value) or [value] * len(target.elts)
        for inner, part in zip(target.elts, parts, strict=True):
            yield from _unpacked(inner, part, name)


def _shown_parts(target: ast.Tuple | ast.List, value: ast.expr) -> list[ast.expr] | None:
    """The parts of a written tuple, one for each target; None where they cannot be told."""
    if not isinstance(value, (ast.Tuple, ast.List)) or len(value.elts) != len(target.elts):
        return None
    starred = any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts))
    return None if starred else value.elts


def _reaching(tree: SourceTree, bindings: list[_Binding], use: ast.Name) -> _Binding | None:
    """The binding whose value the name must have at its use."""
    around = list(tree.ancestors(use))
    before = []
    for binding in bindings:
        inside = binding.node in around and not isinstance(binding.node, FUNCTIONS)
        if inside and binding.value is None:
            return None
        if binding.at < begin(use) and (not inside or _in_body(binding, around)):
            before.append(binding)
    if not before:
        return None
    if len(bindings) == 1 and not is_cell(tree.file):
        return before[0]  # even in a branch: without it the name would not exist
    loops = [node for node in around if isinstance(node, LOOPS)]
    later = [binding.node for binding in bindings if binding not in before]
    if any(loop in tree.ancestors(node) for loop in loops for node in later):
        return None
    return before[-1] if _must_run(tree, before[-1], use) else None


def _in_body(binding: _Binding, around: list[ast.AST]) -> bool:
    """Whether a ``for`` binds the name for its body, and the use is in that body."""
    node = binding.node
    return isinstance(node, (ast.For, ast.AsyncFor)) and any(part in around for part in node.body)


def _must_run(tree: SourceTree, binding: _Binding, use: ast.AST) -> bool:
    """Whether every path to the use passes the binding: no branch holds it but not the use."""
    around = [use, *tree.ancestors(use)]
    child = binding.node
    if isinstance(child, FUNCTIONS) or _in_body(binding, around):
        return True
    if isinstance(child, (*LOOPS, ast.Try, ast.TryStar, ast.Match)):
        return False
    for parent in tree.ancestors(child):
        if parent in around:
            other = around[around.index(parent) - 1]
            return not isinstance(parent, _MAYBE) or _field(parent, child) == _field(parent, other)
        if isinstance(parent, _MAYBE):
            return False
        child = parent
    return False


def _field(parent: ast.AST, child: ast.AST) -> str:
    """The name of the field of a node that holds a child, as ``body`` or ``orelse``."""
    for name, value in ast.iter_fields(parent):
        if child is value or (isinstance(value, list) and child in value):
            return name
    return ""


def _shared(tree: SourceTree, name: str) -> bool:
    """Whether a function rebinds the name elsewhere, by ``global`` or ``nonlocal``."""
    kinds = (ast.Global, ast.Nonlocal)
    return any(isinstance(node, kinds) and name in node.names for node in tree.nodes)


def _of_comprehension(tree: SourceTree, use: ast.Name) -> bool:
    return any(
        isinstance(target, ast.Name) and target.id == use.id
        for node in tree.ancestors(use)
        if isinstance(node, COMPREHENSIONS)
        for generator in node.generators
        for target in ast.walk(generator.target)
    )
