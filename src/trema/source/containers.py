"""Layers in containers as the source lists them: literals, ``model.add``, comprehensions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from trema.source.calls import called_name
from trema.source.reading import SourceTree, begin
from trema.source.scopes import COMPREHENSIONS, FUNCTIONS, LOOPS, assigned_value, scope_of

CONTAINERS = ("Sequential", "ModuleList", "ModuleDict", "ParameterList")
_ADDING = ("add", "append")
_OTHER_CHANGES = ("extend", "insert", "pop", "remove", "clear", "__setitem__", "add_module")
_NO_LAYER = ("Input", "InputLayer")  # Keras does not count them in `model.layers`


@dataclass(frozen=True)
class Listing:
    """What a container is built from, as far as the text tells."""

    tree: SourceTree
    elements: tuple[ast.expr, ...]
    rest: ast.expr | None = None  # every further element comes from this expression in a loop
    complete: bool = True  # False: more elements may follow that the text does not show

    def element(self, index: int) -> ast.expr | None:
        """The expression that element `index` comes from; None where it is not shown."""
        if 0 <= index < len(self.elements):
            return self.elements[index]
        return self.rest if index >= 0 else None

    def may_hold(self, count: int) -> bool:
        """Whether the container can have exactly `count` elements."""
        if self.complete and self.rest is None:
            return count == len(self.elements)
        return count >= len(self.elements)


def listing(tree: SourceTree, container: ast.Call) -> Listing:
    """The elements of a container: those in its call, then those added to it in the same scope."""
    elements: list[ast.expr] = []
    parts = container.args or [word.value for word in container.keywords if word.arg == "layers"]
    ended = _extend(tree, elements, parts, alone=len(parts) == 1)
    if ended is None:
        added = _added(tree, container)
        for element, looped in added.found:
            if looped:
                last = element is added.found[-1][0] and added.complete
                return Listing(tree, tuple(elements), element if last else None, complete=last)
            if not _is_input(tree, element):
                elements.append(element)
        return Listing(tree, tuple(elements), complete=added.complete)
    return Listing(tree, tuple(elements), ended.rest, complete=ended.rest is not None)


@dataclass(frozen=True)
class _End:
    rest: ast.expr | None  # None: what follows is unknown


@dataclass(frozen=True)
class _Added:
    found: tuple[tuple[ast.expr, bool], ...]  # element and whether it is added in a loop
    complete: bool


def _extend(
    tree: SourceTree, elements: list[ast.expr], parts: list[ast.expr], alone: bool
) -> _End | None:
    """Append the elements that the parts show; where the list cannot be followed on, its end."""
    for position, part in enumerate(parts):
        inner = part.value if isinstance(part, ast.Starred) else part if alone else None
        if inner is None:
            if not _is_input(tree, part):
                elements.append(part)
            continue
        values = _values(tree, inner)
        if isinstance(values, ast.expr):
            return _End(values if position == len(parts) - 1 else None)
        if values is not None:
            ended = _extend(tree, elements, values, alone=False)
            if ended is not None:
                return ended if position == len(parts) - 1 else _End(None)
        elif isinstance(part, ast.Starred) or _is_unread(tree, inner):
            return _End(None)
        elif not _is_input(tree, part):
            elements.append(part)
    return None


def _values(tree: SourceTree, node: ast.expr) -> list[ast.expr] | ast.expr | None:
    """The elements of a list, tuple or dictionary; the one of a comprehension; else None."""
    if isinstance(node, ast.Name) and not _is_changed(tree, node):
        assigned = assigned_value(tree, node)
        if isinstance(assigned, (ast.List, ast.Tuple, ast.ListComp, ast.Dict)):
            node = assigned
    if isinstance(node, ast.Call) and called_name(tree, node) == "OrderedDict" and node.args:
        pairs = node.args[0]
        if isinstance(pairs, (ast.List, ast.Tuple)):
            inner = [pair.elts for pair in pairs.elts if isinstance(pair, ast.Tuple)]
            named = len(inner) == len(pairs.elts) and all(len(pair) == 2 for pair in inner)
            return [pair[1] for pair in inner] if named else None
        node = pairs
    if isinstance(node, (ast.List, ast.Tuple)):
        return node.elts
    if isinstance(node, ast.Dict) and None not in node.keys:
        return node.values
    if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        return node.elt
    return None


def _is_unread(tree: SourceTree, node: ast.expr) -> bool:
    """Whether a single argument may be a list that is built elsewhere, rather than one layer."""
    if isinstance(node, ast.Name):
        return not isinstance(assigned_value(tree, node), ast.Call)
    return isinstance(node, ast.Call) and called_name(tree, node) == "OrderedDict"


def _is_input(tree: SourceTree, node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and called_name(tree, node) in _NO_LAYER


def _is_changed(tree: SourceTree, name: ast.Name) -> bool:
    """Whether a list is changed in place somewhere, by its name."""
    methods = (*_ADDING, *_OTHER_CHANGES)
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in methods
        and isinstance(node.value, ast.Name)
        and node.value.id == name.id
        for node in tree.nodes
    )


def _added(tree: SourceTree, container: ast.Call) -> _Added:
    """Elements added after the call; incomplete from the first that may or may not have run."""
    receiver = _receiver(tree, container)
    if receiver is None:
        return _Added((), complete=True)
    found: list[tuple[ast.expr, bool]] = []
    for call in _changes(tree, receiver):
        assert isinstance(call.func, ast.Attribute)
        same_scope = scope_of(tree, call) is scope_of(tree, container)
        known = call.func.attr in _ADDING and len(call.args) == 1 and same_scope
        how = _added_how(tree, call, container) if known else None
        if how is None or (found and found[-1][1]):
            return _Added(tuple(found), complete=False)
        found.append((call.args[0], how == "loop"))
    return _Added(tuple(found), complete=True)


def _receiver(tree: SourceTree, container: ast.Call) -> str | None:
    """The dump of the one name or attribute that a container is assigned to."""
    parent = tree.parents.get(container)
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1:
        target = parent.targets[0]
        if isinstance(target, (ast.Name, ast.Attribute)):
            return ast.unparse(target)
    return None


def _changes(tree: SourceTree, receiver: str) -> Iterator[ast.Call]:
    methods = (*_ADDING, *_OTHER_CHANGES)
    for call in sorted(tree.calls, key=begin):
        function = call.func
        if not isinstance(function, ast.Attribute) or function.attr not in methods:
            continue
        if ast.unparse(function.value) == receiver:
            yield call


def _added_how(tree: SourceTree, call: ast.Call, container: ast.Call) -> str | None:
    """``once``, ``loop``, or None where a branch decides."""
    around = list(tree.ancestors(container))
    how = "once"
    for parent in tree.ancestors(call):
        if parent in around:
            return how if begin(call) > begin(container) else None
        if isinstance(parent, (*LOOPS, *COMPREHENSIONS)):
            how = "loop"
        elif isinstance(parent, (ast.If, ast.Try, ast.IfExp, ast.Match, *FUNCTIONS)):
            return None
    return how
