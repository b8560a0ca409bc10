"""Listens to the layers, the loss and the metrics of a model for the time of one step.

Everything is set on the instances and taken away again, so nothing of the model stays changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

_LOSS_ARGUMENTS = ("x", "y", "y_pred", "sample_weight")


class Collector:
    """A context in which calls of the model's layers and loss are reported.

    Parameters
    ----------
    model : the model that is trained
    leaves : layers by name
    on_layer : told the name, the layer and its output
    """

    def __init__(
        self,
        model: Any,
        leaves: Mapping[str, Any],
        on_layer: Callable[[str, Any, Any], None],
    ) -> None:
        self.y: Any = None
        self.y_pred: Any = None
        self.loss: Any = None
        self.saw_loss = False
        self._model = model
        self._leaves = leaves
        self._on_layer = on_layer
        self._set: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Collector:
        try:
            for name, layer in self._leaves.items():
                self._replace(layer, "call", self._layer(name, layer))
            self._replace(self._model, "compute_loss", self._compute_loss)
            self._replace(self._model, "compute_metrics", self._compute_metrics)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._set:
            restore(*self._set.pop())

    def _replace(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        self._set.append(replace(owner, name, wrap(getattr(owner, name))))

    def _layer(self, name: str, layer: Any) -> Callable[[Any], Any]:
        def wrap(call: Any) -> Any:
            def listening(*args: Any, **kwargs: Any) -> Any:
                output = call(*args, **kwargs)
                self._on_layer(name, layer, output)
                return output

            return listening

        return wrap

    def _compute_loss(self, compute: Any) -> Any:
        def listening(*args: Any, **kwargs: Any) -> Any:
            loss = compute(*args, **kwargs)
            given = dict(zip(_LOSS_ARGUMENTS, args, strict=False)) | kwargs
            self.y, self.y_pred, self.loss = given.get("y"), given.get("y_pred"), loss
            self.saw_loss = True
            return loss

        return listening

    def _compute_metrics(self, compute: Any) -> Any:
        def listening(*args: Any, **kwargs: Any) -> Any:
            if not self.saw_loss:
                given = dict(zip(_LOSS_ARGUMENTS, args, strict=False)) | kwargs
                self.y, self.y_pred = given.get("y"), given.get("y_pred")
            return compute(*args, **kwargs)

        return listening


def replace(owner: Any, name: str, value: Any) -> tuple[Any, str, Any]:
    """Set an attribute of an instance past its ``__setattr__``; returns what restores it."""
    before = owner.__dict__.get(name, _ABSENT)
    owner.__dict__[name] = value
    return owner, name, before


def restore(owner: Any, name: str, before: Any) -> None:
    """The inverse of :func:`replace`."""
    if before is _ABSENT:
        owner.__dict__.pop(name, None)
    else:
        owner.__dict__[name] = before


_ABSENT = object()


def main_tensor(output: Any) -> Any:
    """The first tensor of a layer's output, or None."""
    while isinstance(output, list | tuple | dict):
        if not output:
            return None
        output = next(iter(output.values())) if isinstance(output, dict) else output[0]
    return output if hasattr(output, "shape") and hasattr(output, "dtype") else None
