"""Steps on the tensorflow back end.

As on jax, the user's traced step stays what it is: on sampled steps a function of our own
computes forward and gradients of the same batch once more, before the update and inside a
stateless scope, so that no variable, seed or metric changes.
"""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import keras
import numpy as np

from trema.adapters.keras import stats
from trema.adapters.keras.collect import Collector, main_tensor
from trema.adapters.keras.describe import inner_optimizer
from trema.adapters.keras.forms import Forms
from trema.adapters.keras.observer import SENTINEL
from trema.adapters.keras.seen import Seen, dtype_name, finite_array, named
from trema.core.facts import Fact

_INSIDE = (Fact.ACTIVATION_MEAN, Fact.UNIT_MAX)
_STEP = (Fact.LOSS, Fact.INPUT_MEAN, Fact.OUTPUT_MEAN, Fact.GRADIENT_NORM, Fact.UPDATE_NORM)


class TensorflowStepper:
    """Replaces ``train_function(iterator)``."""

    def __init__(self, observer: Any) -> None:
        import tensorflow as tf

        self.observer = observer
        self._tf = tf
        model = observer.model
        self._eager = bool(model.run_eagerly)
        self._built = bool(model.built and model.optimizer.built)
        self._layers = True
        self._forms = Forms()
        self._function: Any = None
        self._names: dict[str, Any] = {}
        trainer: Any = next(k for k in type(model).__mro__ if k.__name__ == "TensorFlowTrainer")
        self._custom = model.__class__.train_step is not trainer.train_step
        spread = getattr(model.distribute_strategy, "num_replicas_in_sync", 1) > 1
        if self._custom or spread:
            self._custom = True
            reason = "the step is distributed" if spread else "the model has its own train_step"
            observer.cannot(reason, *_INSIDE, Fact.GRADIENT_NORM, Fact.OUTPUT_MEAN)
        if model.steps_per_execution > 1:
            reason = "several steps run in one call: steps_per_execution"
            observer.cannot(reason, *_INSIDE, *_STEP)

    def wrap(self, plain: Any) -> Any:
        """The train function with a look at sampled steps."""
        observer = self.observer
        several = observer.model.steps_per_execution

        def train_function(iterator: Any) -> Any:
            try:
                if observer.step >= observer.next and several == 1:
                    return self._sampled(plain, iterator)
                logs = plain(iterator)
                observer.step += several
                self._check(logs, observer.step - 1)
                return logs
            except (StopIteration, self._tf.errors.OutOfRangeError):
                raise
            except BaseException:
                observer.crashed()
                raise

        train_function.__trema__ = True  # type: ignore[attr-defined]  # a mark for undoing
        return train_function

    def remove(self) -> None:
        """Nothing is held between steps."""

    def _check(self, logs: Any, step: int) -> None:
        observer = self.observer
        if observer.told_loss or (not observer.long_steps and step % SENTINEL):
            return
        try:
            value = float(logs["loss"])
        except Exception:  # logs of a user's own train step
            return
        if not math.isfinite(value):
            observer.guard(lambda: self.bad(value, step))

    def bad(self, value: float, step: int) -> None:
        """A loss that is not finite was met between samples; the batch is gone."""
        self.observer.bad_loss(value, step, None)

    def _sampled(self, plain: Any, iterator: Any) -> Any:
        observer = self.observer
        if not self._built:
            return self._build(plain, iterator)
        batch = next(iterator)
        seen = None
        if self._forms.known(batch):
            seen = observer.guard(lambda: self._before(batch))
        else:
            observer.next += 1
        before = observer.guard(self._copy) if seen is not None else None
        direct = isinstance(iterator, self._tf.data.Iterator)
        logs = plain(iter((batch,)) if direct else itertools.chain((batch,), iterator))
        if seen is not None:
            observer.guard(lambda: self._after(seen, before, logs))
        observer.step += 1
        return logs

    def _build(self, plain: Any, iterator: Any) -> Any:
        """The first step of a model that it builds is only counted."""
        observer = self.observer
        logs = plain(iterator)
        observer.step += 1
        self._built = True
        observer.guard(observer.refresh)
        return logs

    def _copy(self) -> Any:
        trainable = self.observer.model.trainable_variables
        size = sum(int(np.prod(v.shape)) * 4 for v in trainable)
        if size > self.observer.session.config.memory // 4:
            return None
        return [self._tf.identity(v.value) for v in trainable]

    def _before(self, batch: Any) -> Seen:
        empty = self._tf.experimental.Optional
        batch = self._tf.nest.map_structure(lambda t: None if isinstance(t, empty) else t, batch)
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        seen = Seen()
        for role, structure in (("input", x), ("target", y)):
            for name, tensor in named(structure).items():
                seen.forms.append((role, name, tuple(tensor.shape), dtype_name(tensor)))
                seen.tensors[role, name] = finite_array(stats.tensor_statistics(tensor))
        if not self._custom:
            self._inside(seen, self._run(x, y, weight))
        optimizer = inner_optimizer(self.observer.model.optimizer)
        if optimizer is not None:
            seen.rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        if optimizer is not self.observer.model.optimizer:
            scale = self.observer.model.optimizer.dynamic_scale
            seen.loss_scale = float(keras.ops.convert_to_numpy(scale))
        return seen

    def _inside(self, seen: Seen, found: Any) -> None:
        names = self._names
        for name, shape, dtype in names["outputs"]:
            seen.forms.append(("output", name, shape, dtype))
            seen.tensors["output", name] = finite_array(found["outputs"][name])
        for name in names["layers"]:
            seen.activations[name] = finite_array(found["layers"][name])
        seen.units = {name: found["units"][name].numpy() for name in names["units"]}
        seen.shapes = names["shapes"]
        if self.observer.schedule.distributions:
            seen.quantiles = stats.distributions(found["samples"], names["samples"])
        seen.loss = float(found["loss"])
        for name, norm, bad in zip(names["gradients"], *found["gradients"].numpy(), strict=True):
            seen.gradients[name] = (float(norm), float(bad))
        own = [self._parameter(v) for v in self.observer.model.trainable_variables]
        for name, norm, bad in zip(own, *found["weights"].numpy(), strict=True):
            if bad > 0:
                seen.bad_weights[name] = float(norm)
        seen.head = names["head"]

    def _run(self, x: Any, y: Any, weight: Any) -> Any:
        if self._function is None:
            function = self._make()
            traced = self._tf.function(function, reduce_retracing=True)
            self._function = function if self._eager else traced
        try:
            started = time.perf_counter()
            found = self._function(x, y, weight)
            if self._forms.first((x, y, weight)):
                self.observer.compiled(time.perf_counter() - started)
            return found
        except Exception:
            if not self._layers:
                raise
            self._layers = False  # a layer runs inside a loop of the graph: do without layers
            self._function = None
            self.observer.cannot("a layer runs inside a loop of the graph", *_INSIDE)
            return self._run(x, y, weight)

    def _make(self) -> Any:
        tf, model, names = self._tf, self.observer.model, self._names
        graph = self.observer.graph
        leaves = graph.leaves if self._layers else {}

        def observe(x: Any, y: Any, weight: Any) -> Any:
            layers: dict[str, Any] = {}
            units: dict[str, Any] = {}
            made: dict[int, tuple[str, Any]] = {}
            shapes: dict[str, tuple[int | None, ...]] = {}
            samples = stats.Samples()

            def on_layer(name: str, layer: Any, output: Any) -> None:
                out = main_tensor(output)
                if out is None or not stats.is_float(out):
                    return
                made[id(output)] = (name, output)
                if name in layers:
                    return
                out = tf.stop_gradient(out)
                shapes[name] = tuple(out.shape)
                layers[name] = stats.activation_statistics(out)
                samples.add(Fact.ACTIVATION_QUANTILES, name, out)
                widest = stats.unit_max(out, graph.unit_axis(name, len(out.shape)))
                if widest is not None:
                    units[name] = widest

            variables = model.trainable_variables
            values = [tf.identity(v.value) for v in variables]
            scope = keras.StatelessScope(
                state_mapping=list(zip(variables, values, strict=True)), collect_losses=True
            )
            with tf.GradientTape() as tape:
                tape.watch(values)
                with scope, Collector(model, leaves, on_layer):
                    y_pred = model(x, training=True) if model._call_has_training_arg else model(x)
                    loss = model._compute_loss(
                        x=x, y=y, y_pred=y_pred, sample_weight=weight, training=True
                    )
            gradients = tape.gradient(loss, values)
            pairs = [
                (self._parameter(v), tf.convert_to_tensor(g))
                for v, g in zip(variables, gradients, strict=True)
                if g is not None
            ]
            for name, gradient in pairs:
                samples.add(Fact.GRADIENT_QUANTILES, name, gradient)
            outputs = named(y_pred)
            names["samples"], names["shapes"] = samples.lengths, shapes
            names["layers"], names["units"] = list(layers), list(units)
            names["outputs"] = [(n, tuple(t.shape), dtype_name(t)) for n, t in outputs.items()]
            names["gradients"] = [name for name, _ in pairs]
            names["head"] = made.get(id(y_pred), (None,))[0]
            own = [g for _, g in pairs]
            return {
                "outputs": {n: stats.tensor_statistics(t) for n, t in outputs.items()},
                "layers": layers,
                "units": units,
                "samples": samples.joined(),
                "loss": loss,
                "gradients": tf.stack([stats.norms(own), stats.bad_counts(own)]),
                "weights": tf.stack([stats.norms(values), stats.bad_counts(values)]),
            }

        return observe

    def _after(self, seen: Seen, before: Any, logs: Any) -> None:
        variables = self.observer.model.trainable_variables
        after = [v.value for v in variables]
        own = [self._parameter(v) for v in variables]
        norms = keras.ops.convert_to_numpy(stats.norms(after))
        seen.weights = dict(zip(own, map(float, norms), strict=True))
        if self.observer.schedule.distributions:
            samples = stats.Samples()
            for name, value in zip(own, after, strict=True):
                samples.add(Fact.WEIGHT_QUANTILES, name, value)
            seen.quantiles |= stats.distributions(samples.joined(), samples.lengths)
        if before is not None:
            moved = [a - b for a, b in zip(after, before, strict=True)]
            numbers = keras.ops.convert_to_numpy(stats.norms(moved))
            seen.updates = dict(zip(own, map(float, numbers), strict=True))
        if seen.loss is None and isinstance(logs, dict) and "loss" in logs:
            seen.loss = float(logs["loss"])
        self.observer.observed(seen)

    def _parameter(self, variable: Any) -> str:
        return str(self.observer.parameter_names.get(id(variable), variable.path))
