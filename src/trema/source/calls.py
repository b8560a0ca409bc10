"""Calls of a class in the source: by which name, with which literal arguments."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from weakref import WeakKeyDictionary

from trema.source.reading import SourceTree, begin
from trema.source.scopes import COMPREHENSIONS, FUNCTIONS, LOOPS, assigned_value, scope_of
from trema.source.syntax import argument_node

UNKNOWN = ...  # an argument or literal whose value cannot be told; agrees with everything


def called_name(tree: SourceTree, call: ast.Call) -> str:
    """The last part of what is called, ``Linear`` in ``nn.Linear(…)``; imports are looked through.

    Empty for calls of something without a name, as in ``layers[0](x)``.
    """
    return _name(tree, call.func)


def calls_of(tree: SourceTree, class_name: str) -> list[ast.Call]:
    """Calls that make an object of a class, in the order of the text.

    PyTorch's lazy layers take the name of the class that they become.
    """
    named = _calls_by_name(tree)
    return sorted((call for name in made_by(class_name) for call in named.get(name, ())), key=begin)


def made_by(class_name: str) -> tuple[str, str]:
    """The names of the classes that make an object of a class."""
    return class_name, f"Lazy{class_name}"


def made_in(tree: SourceTree, value: ast.AST, class_name: str) -> list[ast.Call]:
    """Calls of a class in an expression, outermost only; a name stands for what it was assigned."""
    if isinstance(value, ast.Name):
        assigned = assigned_value(tree, value)
        if assigned is None or isinstance(assigned, (ast.Name, ast.stmt)):
            return []
        return made_in(tree, assigned, class_name)
    if isinstance(value, ast.Call) and called_name(tree, value) in made_by(class_name):
        return [value]
    if isinstance(value, ast.Lambda):
        return []
    inner = ast.iter_child_nodes(value)
    # Names inside a larger expression may be arguments of anything, so they are not followed.
    return [
        call
        for node in inner
        if not isinstance(node, ast.Name)
        for call in made_in(tree, node, class_name)
    ]


def is_passed_on(trees: Iterable[SourceTree], class_name: str) -> bool:
    """Whether the class is used other than by calling it, so that calls may hide.

    ``layer = nn.Linear`` or ``block(nn.Linear)`` count; ``isinstance``, annotations, comparisons
    and base classes do not.
    """
    return any(
        not _is_plain_use(tree, node)
        for tree in trees
        for node in _read_by_name(tree).get(class_name, ())
    )


def agreement(tree: SourceTree, call: ast.Call, arguments: Mapping[str, object]) -> bool | None:
    """Whether the literals in a call are those of an object: True, False (one differs), None.

    `arguments` is in the order of the constructor's parameters, so that positional arguments can
    be compared; `UNKNOWN` fills a gap.
    """
    seen: bool | None = None
    lazy = called_name(tree, call).startswith("Lazy")  # lacks the first parameter
    for position, (name, actual) in enumerate(arguments.items()):
        value = argument_node(call, name, None if lazy else position)
        same = _same(literal(tree, value), actual) if value is not None else None
        if same is False:
            return False
        seen = seen or same
    return seen


def literal(tree: SourceTree, node: ast.AST, hops: int = 1) -> object:
    """The value of a literal, of arithmetic on numbers, or of a name assigned one; or UNKNOWN."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(literal(tree, part, hops) for part in node.elts)
    if isinstance(node, ast.Name) and hops:
        value = assigned_value(tree, node)
        return literal(tree, value, hops - 1) if value is not None else UNKNOWN
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = literal(tree, node.operand, hops)
        return -number if isinstance(number, (int, float)) else UNKNOWN
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = literal(tree, node.left, hops), literal(tree, node.right, hops)
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            try:
                return _ARITHMETIC[type(node.op)](left, right)
            except (ArithmeticError, ValueError):
                return UNKNOWN
    return UNKNOWN


def repeats(trees: Iterable[SourceTree], tree: SourceTree, call: ast.Call, depth: int = 3) -> bool:
    """Whether one call in the text can run several times: in a loop or in a repeated function."""
    for node in tree.ancestors(call):
        if isinstance(node, (*LOOPS, *COMPREHENSIONS)):
            return True
        if isinstance(node, FUNCTIONS):
            break
    scope = scope_of(tree, call)
    if isinstance(scope, ast.Lambda):
        return True
    if not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)) or not depth:
        return False
    owner = scope_of(tree, scope)
    name = (
        owner.name if isinstance(owner, ast.ClassDef) and scope.name == "__init__" else scope.name
    )
    trees = list(trees)
    uses = [(other, use) for other in trees for use in calls_of(other, name)]
    return len(uses) > 1 or any(repeats(trees, other, use, depth - 1) for other, use in uses)


_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
    }
)


def _name(tree: SourceTree, node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return tree.imported_as.get(node.id, node.id)
    return ""


def _calls_by_name(tree: SourceTree) -> Mapping[str, Sequence[ast.Call]]:
    """The calls of a file by what is called."""
    if tree not in _calls:
        found: dict[str, list[ast.Call]] = {}
        for call in tree.calls:
            found.setdefault(called_name(tree, call), []).append(call)
        _calls[tree] = found
    return _calls[tree]


def _read_by_name(tree: SourceTree) -> Mapping[str, Sequence[ast.AST]]:
    """Where a file uses names, but does not set them, by name."""
    if tree not in _reads:
        found: dict[str, list[ast.AST]] = {}
        for node in tree.nodes:
            if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
                found.setdefault(_name(tree, node), []).append(node)
        _reads[tree] = found
    return _reads[tree]


# trees in these hold themselves by their nodes only while reading.py keeps them
_calls: WeakKeyDictionary[SourceTree, dict[str, list[ast.Call]]] = WeakKeyDictionary()
_reads: WeakKeyDictionary[SourceTree, dict[str, list[ast.AST]]] = WeakKeyDictionary()


def _is_plain_use(tree: SourceTree, node: ast.AST) -> bool:
    child = node
    for parent in tree.ancestors(node):
        if isinstance(parent, ast.Call):
            if child is parent.func:
                return child is node
            return _name(tree, parent.func) in ("isinstance", "issubclass")
        if isinstance(parent, (ast.Compare, ast.ClassDef, ast.arg)):
            return True
        if isinstance(parent, ast.AnnAssign):
            return child is parent.annotation
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return child is parent.returns
        if isinstance(parent, ast.stmt):
            return False
        child = parent
    return False


def _same(written: object, actual: object) -> bool | None:
    """Whether a literal is the value an object has; None where they cannot be compared."""
    if isinstance(written, tuple) and isinstance(actual, (tuple, list)):
        pairs = [_same(one, other) for one, other in zip(written, actual, strict=False)]
        if len(written) != len(actual) or False in pairs:
            return False
        return None if None in pairs else True
    if isinstance(actual, (tuple, list)) and isinstance(written, (int, float)):
        return all(_same(written, part) for part in actual)  # `kernel_size=3` is kept as (3, 3)
    if isinstance(written, (int, float)) and isinstance(actual, (int, float)):
        return written == actual
    if isinstance(written, str) and isinstance(actual, str):
        return written == actual
    return None
