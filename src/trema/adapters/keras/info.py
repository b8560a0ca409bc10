"""What is known about a run before its first step."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from trema.adapters.keras import locate
from trema.adapters.keras.data import FitCall, rows_of
from trema.adapters.keras.describe import (
    loss_info,
    metric_names,
    optimizer_info,
    parameter_infos,
)
from trema.adapters.keras.graph import ModelGraph
from trema.core.facts import RunInfo


def run_info(model: Any, graph: ModelGraph, names: dict[int, str], call: FitCall) -> RunInfo:
    """The description of a model that was compiled and is about to be trained."""
    fit = call.site.resolve() if call.site is not None else None
    files = locate.user_files(call.site)
    layers = locate.locate_layers(graph, graph.layers(names), files)
    compile_place = locate.locate_compile(model, files, fit)
    optimizer = optimizer_info(model, call.callbacks)
    if optimizer is not None:
        optimizer = locate.locate_optimizer(optimizer, model, compile_place, files)
        optimizer = locate.locate_schedule(optimizer, call.callbacks)
    loss = loss_info(model)
    if loss is not None:
        loss = locate.locate_loss(loss, model, compile_place, files)
        if call.class_weights:
            weights = [list(pair) for pair in call.class_weights]
            loss = dataclasses.replace(loss, config={**loss.config, "class_weights": weights})
    places = locate.places_of(fit, compile_place, call.method)
    rows = rows_of(call.x) if call.x is not None else None
    samples = len(next(iter(rows.values()))) if rows else None
    backend = keras.backend.backend()
    batch = call.batch_size or (32 if rows and not hasattr(call.x, "batch_sampler") else None)
    return dataclasses.replace(
        RunInfo(),
        framework="keras",
        backend=backend,
        layers=layers,
        edges=graph.edges,
        parameters=parameter_infos(model, names, layers),
        optimizers=(optimizer,) if optimizer is not None else (),
        loss=loss,
        head=graph.head,
        places=tuple(places),
        metrics=metric_names(model),
        batch_size=batch,
        train_samples=samples,
        epochs_planned=call.epochs,
        device=_device(backend),
        versions={"keras": keras.__version__, **_version(backend)},
    )


def _version(backend: str) -> dict[str, str]:
    import sys

    module = sys.modules.get(backend)
    version = getattr(module, "__version__", None)
    return {backend: str(version)} if version else {}


def _device(backend: str) -> str:
    import sys

    module: Any = sys.modules.get(backend)
    if backend == "torch" and module is not None and module.cuda.is_available():
        return "cuda"
    if backend == "jax" and module is not None:
        return str(module.default_backend())
    return "cpu"
