"""Lines for layers of a model that was built before Trema watched: by matching the source.

Every rule gives a line only where exactly one call of the text can have made the layer. A call in
a loop is that one call for all layers of the loop. Otherwise there is no line, never a guess.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from trema.core.diagnosis import Location
from trema.source.calls import is_passed_on, made_by, made_in, repeats
from trema.source.frames import is_user_file
from trema.source.indexing import by_index
from trema.source.layers import LayerSpec, Place, agreeing, fitting, places
from trema.source.owners import assigned_to
from trema.source.reading import SourceTree, begin, mentions, source_tree
from trema.source.scopes import COMPREHENSIONS, LOOPS, scope_of

__all__ = ["LayerSpec", "MethodCall", "find_calls", "match_call", "match_layers"]


class MethodCall(NamedTuple):
    """A call of a method: ``optimizer`` . ``step`` at a line."""

    receiver: str
    method: str
    location: Location


def match_layers(items: Sequence[LayerSpec], files: Sequence[str]) -> dict[str, Location]:
    """The line of each layer of one model that the user's `files` tell for certain, by name.

    `items` are all layers of the model: a sequential model is known by what it holds.
    `owner_class` is to be given for layers inside a library's model too: those no line of the
    user made, unless it replaced them (``model.fc = nn.Linear(…)``).
    """
    owners = [item.owner_class[0] for item in items if item.owner_class is not None]
    classes = {item.class_name for item in items}
    trees = _trees([*_mentioning(files, classes), *filter(is_user_file, owners)])
    found: dict[str, Place] = {}
    try:
        for rule in (_by_keyword, _by_attribute, by_index):
            for name, place in rule(items, trees):
                found.setdefault(name, place)
        found.update(_by_count(items, trees, found))
    except RecursionError:  # generated code, nested hundreds of levels deep
        return {}
    return {name: tree.location(call) for name, (tree, call) in found.items()}


def match_call(
    files: Sequence[str], class_name: str, arguments: Mapping[str, object] | None = None
) -> Location | None:
    """The one call that can have made an optimizer, a loss or a scheduler; None unless unique."""
    trees = _trees(_mentioning(files, {class_name}))
    if is_passed_on(trees, class_name):
        return None
    try:
        fits = agreeing(places(trees, class_name), arguments or {})
    except RecursionError:  # generated code, nested hundreds of levels deep
        return None
    return fits[0][0].location(fits[0][1]) if len(fits) == 1 else None


def find_calls(
    file: str, methods: Sequence[str] = ("fit", "step", "backward")
) -> tuple[MethodCall, ...]:
    """Calls of methods with these names, in the order of the text."""
    tree = source_tree(file)
    if tree is None:
        return ()
    return tuple(
        MethodCall(tree.segment(call.func.value), call.func.attr, tree.location(call))
        for call in sorted(tree.calls, key=begin)
        if isinstance(call.func, ast.Attribute) and call.func.attr in methods
    )


Found = Iterator[tuple[str, Place]]


def _by_keyword(items: Sequence[LayerSpec], trees: Sequence[SourceTree]) -> Found:
    """Layers whose call says ``name="…"``."""
    for item in items:
        named = [
            (tree, call)
            for tree, call in places(trees, item.class_name)
            for word in call.keywords
            if word.arg == "name"
            if isinstance(word.value, ast.Constant) and word.value.value == item.name
        ]
        if len(named) == 1 and fitting(named, item):
            yield item.name, named[0]


def _by_attribute(items: Sequence[LayerSpec], trees: Sequence[SourceTree]) -> Found:
    """Layers that are assigned to an attribute or to an element of one."""
    for item in items:
        path = item.path
        if item.attribute is None or len(path) > 1:
            continue
        made = [
            (tree, call)
            for tree, value in assigned_to(trees, item.attribute, item.owner, *path)
            for call in made_in(tree, value, item.class_name)
        ]
        fits = fitting(made, item)
        if len(fits) == 1:
            yield item.name, fits[0]


def _by_count(
    items: Sequence[LayerSpec], trees: Sequence[SourceTree], found: Mapping[str, Place]
) -> Found:
    """Layers of a class of which the text has one fitting call, or as many as there are layers."""
    for class_name, count in Counter(item.class_name for item in items).items():
        if is_passed_on(trees, class_name):
            continue
        mine = [item for item in items if item.class_name == class_name and item.of_user]
        made = places(trees, class_name)
        calls = [at for at in made if at not in found.values() or repeats(trees, *at)]
        left = [item for item in mine if item.name not in found]
        yield from _sole(left, calls, trees)
        if len(left) == len(calls) and count == len(mine) and _in_line(calls):
            pairs = list(zip(_made_in_order(left), calls, strict=True))
            if all(fitting([place], item) for item, place in pairs):
                yield from ((item.name, place) for item, place in pairs)


def _sole(items: Sequence[LayerSpec], calls: Sequence[Place], trees: Sequence[SourceTree]) -> Found:
    """Layers that only one call can have made; several layers only if the call can run again."""
    makers: dict[Place, list[LayerSpec]] = {}
    for item in items:
        fits = fitting(calls, item)
        if len(fits) == 1:
            makers.setdefault(fits[0], []).append(item)
    for place, made in makers.items():
        if len(made) == 1 or repeats(trees, *place):
            yield from ((item.name, place) for item in made)


def _mentioning(files: Sequence[str], classes: Iterable[str]) -> list[str]:
    """The files that name one of the classes: in no other can a call of them stand."""
    words = {name for one in classes for name in made_by(one)}
    return [file for file in files if mentions(file, words)]


def _trees(files: Iterable[str]) -> list[SourceTree]:
    return [tree for file in dict.fromkeys(files) if (tree := source_tree(file)) is not None]


def _in_line(calls: Sequence[Place]) -> bool:
    """Whether calls run once each in the order of the text: one scope, no branch, no loop."""
    if len({(tree, scope_of(tree, call)) for tree, call in calls}) != 1:
        return False
    branches = (ast.If, ast.Try, ast.TryStar, ast.Match, ast.IfExp, ast.BoolOp)
    for tree, call in calls:
        scope = scope_of(tree, call)
        for parent in tree.ancestors(call):
            if parent is scope:
                break
            if isinstance(parent, (*branches, *LOOPS, *COMPREHENSIONS)):
                return False
    return True


def _made_in_order(items: Sequence[LayerSpec]) -> list[LayerSpec]:
    """Layers in the order in which they were made, where Keras numbered them: dense, dense_1."""
    numbered = [re.fullmatch(r"(.*?)(?:_([0-9]+))?", item.name) for item in items]
    numbers = [
        int(match.group(2) or 0)
        for match, item in zip(numbered, items, strict=True)
        if match and match.group(1).replace("_", "") == item.class_name.lower()
    ]
    if len(numbers) < len(items):
        return list(items)
    return [item for _, item in sorted(zip(numbers, items, strict=True), key=lambda pair: pair[0])]
