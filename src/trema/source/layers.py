"""What is known of a layer whose line is sought, and the calls of the text that fit it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trema.source.calls import agreement, calls_of
from trema.source.containers import CONTAINERS
from trema.source.frames import is_user_file
from trema.source.reading import SourceTree
from trema.source.syntax import argument_node

Place = tuple[SourceTree, ast.Call]


@dataclass(frozen=True)
class LayerSpec:
    """What an adapter knows of one layer; the more it tells, the more lines can be found.

    `arguments` are in the order of the constructor's parameters, `UNKNOWN` (``...``) for a gap.
    """

    name: str  # unique in the model: "features.0", "dense_1"
    class_name: str
    owner_class: tuple[str, str] | None = None  # file and qualified name of the class that holds it
    attribute: str | None = None  # of the owner: the layer itself, or the container it lies in
    index: int | tuple[int, ...] | None = None  # in that container, or in the sequential model
    arguments: Mapping[str, object] = field(default_factory=dict)

    @property
    def path(self) -> tuple[int, ...]:
        """The index as a tuple, one number for each container in a container."""
        if self.index is None:
            return ()
        return self.index if isinstance(self.index, tuple) else (self.index,)

    @property
    def owner(self) -> tuple[str, str] | None:
        """The class that holds the layer, unless that is a plain container of the framework."""
        plain = self.owner_class is None or self.owner_class[1] in CONTAINERS
        return None if plain else self.owner_class

    @property
    def of_user(self) -> bool:
        """Whether the user's own code can have made the layer."""
        return self.owner is None or is_user_file(self.owner[0])


def places(trees: Iterable[SourceTree], class_name: str) -> list[Place]:
    """Every call of a class."""
    return [(tree, call) for tree in trees for call in calls_of(tree, class_name)]


def agreeing(found: Iterable[Place], arguments: Mapping[str, object]) -> list[Place]:
    """The calls whose literals do not contradict an object's arguments."""
    return [place for place in found if agreement(*place, arguments) is not False]


def fitting(found: Iterable[Place], item: LayerSpec) -> list[Place]:
    """The calls that can have made a layer: neither a literal nor an explicit name differs."""
    return [
        (tree, call)
        for tree, call in agreeing(found, item.arguments)
        if item.attribute is not None or _explicit_name(call) in (None, item.name)
    ]


def _explicit_name(call: ast.Call) -> object:
    name = argument_node(call, "name")
    return name.value if isinstance(name, ast.Constant) else None
