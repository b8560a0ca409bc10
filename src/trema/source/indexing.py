"""Layers in containers: which listing in the text is the container of the model."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from trema.source.calls import called_name, made_in
from trema.source.containers import CONTAINERS, Listing, listing
from trema.source.layers import LayerSpec, Place, fitting, places
from trema.source.owners import assigned_to, super_calls
from trema.source.reading import SourceTree
from trema.source.scopes import assigned_value


def by_index(
    items: Sequence[LayerSpec], trees: Sequence[SourceTree]
) -> Iterator[tuple[str, Place]]:
    """Name and call of layers in a container, where one listing of the text fits all of them."""
    for group in _groups(items):
        size = max(group) + 1
        first = next(iter(group.values()))
        fits = []
        for one in _listings(first, trees):
            calls = _elements(group, one)
            if calls is not None:
                fits.append((one, calls))
        if len(fits) > 1 or (first.attribute is None and first.owner is None):
            fits = [fit for fit in fits if fit[0].may_hold(size)]
        if len(fits) == 1:
            yield from fits[0][1].items()


def _groups(items: Sequence[LayerSpec]) -> list[dict[int, LayerSpec]]:
    """Layers by index for each container; not those of two containers that look like one."""
    groups: dict[object, dict[int, LayerSpec]] = {}
    mixed = set()
    for item in items:
        if item.path:
            key = item.owner, item.attribute, item.path[:-1]
            group = groups.setdefault(key, {})
            if item.path[-1] in group:
                mixed.add(key)
            group[item.path[-1]] = item
    return [group for key, group in groups.items() if key not in mixed]


def _listings(item: LayerSpec, trees: Sequence[SourceTree]) -> Iterator[Listing]:
    """The containers in the text that a layer with an index may lie in."""
    for tree, container in _containers(item, trees):
        found: Listing | None = listing(tree, container)
        for index in item.path[:-1]:
            element = found.element(index) if found is not None else None
            inner = _container_in(tree, element) if element is not None else None
            found = listing(tree, inner) if inner is not None else None
        if found is not None:
            yield found


def _containers(item: LayerSpec, trees: Sequence[SourceTree]) -> Iterator[Place]:
    owner = item.owner
    if item.attribute is not None:
        for tree, value in assigned_to(trees, item.attribute, owner):
            container = _container_in(tree, value)
            if container is not None:
                yield tree, container
    elif owner is not None:
        yield from super_calls(trees, owner)
    else:
        yield from places(trees, "Sequential")


def _container_in(tree: SourceTree, value: ast.expr) -> ast.Call | None:
    found = [call for name in CONTAINERS for call in made_in(tree, value, name)]
    outermost = [call for call in found if not any(up in found for up in tree.ancestors(call))]
    return outermost[0] if len(outermost) == 1 else None


def _elements(group: Mapping[int, LayerSpec], one: Listing) -> dict[str, Place] | None:
    """The calls of the layers in a listing; None where it cannot be the listing of this model."""
    calls: dict[str, Place] = {}
    for index, item in group.items():
        element = one.element(index)
        if element is None:
            if one.complete:
                return None
            continue
        made = [(one.tree, call) for call in made_in(one.tree, element, item.class_name)]
        fits = fitting(made, item)
        if (made and not fits) or (not made and _makes_other(one.tree, element)):
            return None
        if len(fits) == 1:
            calls[item.name] = fits[0]
    return calls


def _makes_other(tree: SourceTree, element: ast.expr) -> bool:
    """Whether an element calls another class; a function may return anything."""
    value = assigned_value(tree, element) if isinstance(element, ast.Name) else element
    return isinstance(value, ast.Call) and called_name(tree, value)[:1].isupper()
