"""Steps on the jax back end.

The user's compiled step stays exactly what it is. On sampled steps a function of our own runs
before it, on the same state and batch: it computes forward and gradients once more, changes
nothing, and returns facts. So results are identical by construction; a sampled step costs about
one more step, which the schedule accounts for.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
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


class JaxStepper:
    """Replaces ``train_function(state, iterator)``."""

    def __init__(self, observer: Any) -> None:
        self.observer = observer
        model = observer.model
        self._jit = bool(model.jit_compile) and not model.run_eagerly
        self._layers = True
        self._observe_function: Any = None
        self._update_function: Any = None
        self._sample_function: Any = None
        self._names: dict[str, Any] = {}
        self._kept: Any = None  # copies of the state before the last sampled step
        self._pending: tuple[Any, int] | None = None
        self._held: deque[tuple[int, Any]] = deque(maxlen=SENTINEL + 2)
        self._hold = True
        self._forms = Forms()
        trainer: Any = next(k for k in type(model).__mro__ if k.__name__ == "JAXTrainer")
        self._custom = model.__class__.train_step is not trainer.train_step
        if self._custom:
            reason = "the model has its own train_step"
            observer.cannot(reason, *_INSIDE, Fact.GRADIENT_NORM, Fact.OUTPUT_MEAN)

    def wrap(self, plain: Any) -> Any:
        """The train function with a look at sampled steps."""
        observer = self.observer
        several = observer.model.steps_per_execution

        def train_function(state: Any, iterator: Any) -> Any:
            try:
                if observer.step >= observer.next:
                    return self._sampled(plain, state, iterator)
                if several == 1:
                    batch = next(iterator)
                    step = observer.step
                    if self._hold:
                        self._held.append((step, batch))
                    result = plain(state, iter((batch,)))
                    observer.step = step + 1
                    self._check(result[0], step)
                    return result
                counted = _Counted(iterator)
                result = plain(state, counted)
                observer.step += counted.count
                self._check(result[0], observer.step - 1)
                return result
            except StopIteration:
                raise
            except BaseException:
                observer.crashed(self._held[-1][1] if self._held else None)
                raise

        train_function.__trema__ = True  # type: ignore[attr-defined]  # a mark for undoing
        return train_function

    def remove(self) -> None:
        """Let go of everything that was held."""
        self._held.clear()
        self._kept = self._pending = None

    # between samples ----------------------------------------------------------------------

    def _check(self, logs: Any, step: int) -> None:
        """Look at the loss of the step before, which is ready by now: nothing waits."""
        observer = self.observer
        if observer.told_loss:
            return
        loss = logs.get("loss") if isinstance(logs, dict) else None
        if observer.long_steps:
            pending, self._pending = self._pending, (loss, step)
            if pending is None:
                return
            loss, step = pending
        elif step % SENTINEL:
            return
        try:
            value = float(loss)  # type: ignore[arg-type]  # not a number is caught
        except Exception:
            return
        if not math.isfinite(value):
            observer.guard(lambda: self.bad(value, step))

    def bad(self, value: float, step: int) -> None:
        """A loss that is not finite was met between samples: replay the batches held."""
        if self.observer.told_loss:
            return
        found: Seen | None = None
        at = step
        for number, batch in list(self._held):
            if number > step:
                break
            seen = self._replay(batch)
            if seen is not None and seen.origin() is not None:
                found, at = seen, number
                break
        self.observer.bad_loss(value, at, found)

    def _replay(self, batch: Any) -> Seen | None:
        if self._kept is None or self._custom:
            seen = Seen()
            x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
            self._host_tensors(seen, "input", x)
            self._host_tensors(seen, "target", y)
            return seen
        return self._facts(self._kept, batch)

    def _host_tensors(self, seen: Seen, role: str, structure: Any) -> None:
        for name, tensor in named(structure).items():
            seen.forms.append((role, name, tuple(tensor.shape), dtype_name(tensor)))
            seen.tensors[role, name] = finite_array(stats.tensor_statistics(jnp.asarray(tensor)))

    # a sampled step -----------------------------------------------------------------------

    def _sampled(self, plain: Any, state: Any, iterator: Any) -> Any:
        observer = self.observer
        batch = next(iterator)
        self._held.append((observer.step, batch))
        jax.block_until_ready(state)  # earlier steps are not our time
        seen = None
        if self._forms.known(batch):
            seen = observer.guard(lambda: self._before(state, batch))
        else:
            observer.next += 1
        count = observer.model.steps_per_execution
        if count == 1:
            result = plain(state, iter((batch,)))
            taken = 1
        else:
            counted = _Counted(itertools.chain((batch,), iterator))
            result = plain(state, counted)
            taken = counted.count
        if seen is not None:
            jax.block_until_ready(result[1])
            observer.guard(lambda: self._after(seen, result))
        observer.step += taken
        return result

    def _before(self, state: Any, batch: Any) -> Seen:
        trainable, other, optimizer, metrics = state
        limit = self.observer.session.config.memory // 4
        size = sum(v.nbytes for v in (*trainable, *other, *metrics))
        held = sum(getattr(v, "nbytes", 0) for v in jax.tree_util.tree_leaves(batch))
        self._hold = held * (SENTINEL + 2) <= limit
        self._kept = None
        scaled = inner_optimizer(self.observer.model.optimizer) is not self.observer.model.optimizer
        full = (trainable, other, optimizer if scaled else [], metrics)
        seen = self._facts(full, batch)
        if size <= limit and self.observer.model.steps_per_execution == 1:
            self._kept = jax.tree_util.tree_map(lambda v: jnp.array(v, copy=True), full)
            jax.block_until_ready(self._kept)
        seen.rate = self._rate(optimizer)
        if scaled:
            scale = getattr(self.observer.model.optimizer, "dynamic_scale", None)
            known = self._variable(scale, optimizer)
            if known is not None:
                seen.unscale(known)
        return seen

    def _facts(self, state: Any, batch: Any) -> Seen:
        seen = Seen()
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        self.observer.see_batch(x, y)
        if self._custom:
            self._host_tensors(seen, "input", x)
            self._host_tensors(seen, "target", y)
            return seen
        found = self._run(state, x, y, weight)
        names = self._names
        for role, structure in (("input", x), ("target", y)):
            for name, tensor in named(structure).items():
                seen.forms.append((role, name, tuple(tensor.shape), dtype_name(tensor)))
        for name, shape, dtype in names["outputs"]:
            seen.forms.append(("output", name, shape, dtype))
        tensors = np.asarray(found["tensors"], dtype=np.float64)
        seen.tensors = dict(zip(names["tensors"], tensors, strict=True))
        if names["layers"]:
            rows = np.asarray(found["layers"], dtype=np.float64)
            seen.activations = dict(zip(names["layers"], rows, strict=True))
            seen.units = dict(zip(names["units"], map(np.asarray, found["units"]), strict=True))
        seen.shapes = names["shapes"]
        if self.observer.schedule.distributions:
            seen.quantiles = stats.distributions(found["samples"], names["samples"])
        seen.loss = float(found["loss"])
        own = self._own()
        numbers = np.asarray(found["gradients"], dtype=np.float64)
        seen.gradients = {n: (float(a), float(b)) for n, a, b in zip(own, *numbers, strict=True)}
        weights = np.asarray(found["weights"], dtype=np.float64)
        seen.bad_weights = {n: float(a) for n, a, bad in zip(own, *weights, strict=True) if bad > 0}
        seen.head = names.get("head")
        return seen

    def _run(self, state: Any, x: Any, y: Any, weight: Any) -> Any:
        if self._observe_function is None:
            function = self._make()
            self._observe_function = jax.jit(function) if self._jit else function
        try:
            started = time.perf_counter()
            found = jax.block_until_ready(self._observe_function(*state, x, y, weight))
            if self._forms.first((x, y, weight)):
                self.observer.compiled(time.perf_counter() - started)
            return found
        except Exception:
            if not self._layers:
                raise
            self._layers = False  # a layer runs inside a loop of jax: do without layers
            self._observe_function = None
            self.observer.cannot("a layer runs inside a jax transformation", *_INSIDE)
            return self._run(state, x, y, weight)

    def _make(self) -> Any:
        model, names = self.observer.model, self._names
        graph = self.observer.graph
        leaves = graph.leaves if self._layers else {}

        def observe(
            trainable: Any, other: Any, optimizer: Any, metrics: Any, x: Any, y: Any, weight: Any
        ) -> Any:
            def forward(trainable: Any) -> Any:
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
                    out = jax.lax.stop_gradient(out)
                    shapes[name] = tuple(out.shape)
                    layers[name] = stats.activation_statistics(out)
                    samples.add(Fact.ACTIVATION_QUANTILES, name, out)
                    widest = stats.unit_max(out, graph.unit_axis(name, len(out.shape)))
                    if widest is not None:
                        units[name] = widest

                with Collector(model, leaves, on_layer) as collector:
                    scaled, (loss, y_pred, _, _) = model.compute_loss_and_updates(
                        trainable, other, metrics, x, y, weight,
                        training=True, optimizer_variables=optimizer,
                    )  # fmt: skip
                    del collector
                tensors: dict[tuple[str, str], Any] = {}
                for role, structure in (("input", x), ("target", y), ("output", y_pred)):
                    for name, tensor in named(structure).items():
                        tensors[role, name] = jax.lax.stop_gradient(stats.tensor_statistics(tensor))
                names["tensors"], names["layers"] = list(tensors), list(layers)
                names["units"], names["shapes"] = list(units), shapes
                names["samples"] = samples.lengths
                names["outputs"] = [
                    (n, tuple(t.shape), dtype_name(t)) for n, t in named(y_pred).items()
                ]
                names["head"] = made.get(id(y_pred), (None,))[0]
                facts = {
                    "tensors": jnp.stack(list(tensors.values())),
                    "layers": jnp.stack(list(layers.values())) if layers else None,
                    "units": list(units.values()),
                    "samples": samples.joined(),
                    "loss": loss,
                }
                return scaled, facts

            (_, facts), gradients = jax.value_and_grad(forward, has_aux=True)(trainable)
            samples = stats.Samples()
            for name, gradient in zip(self._own(), gradients, strict=True):
                samples.add(Fact.GRADIENT_QUANTILES, name, gradient)
            facts["samples"] = jnp.concatenate([facts["samples"], samples.joined()])
            names["samples"] = names["samples"] | samples.lengths
            facts["gradients"] = jnp.stack([stats.norms(gradients), stats.bad_counts(gradients)])
            facts["weights"] = jnp.stack([stats.norms(trainable), stats.bad_counts(trainable)])
            return facts

        return observe

    def _after(self, seen: Seen, result: Any) -> None:
        logs, state = result
        own = self._own()
        if self.observer.schedule.distributions:
            seen.quantiles |= self._weight_quantiles(own, state[0])
        if self._kept is not None:
            if self._update_function is None:
                self._update_function = jax.jit(_updates)
                started = time.perf_counter()
                self._update_function(state[0], self._kept[0])
                self.observer.compiled(time.perf_counter() - started)
            numbers = np.asarray(self._update_function(state[0], self._kept[0]), dtype=np.float64)
            seen.weights = dict(zip(own, map(float, numbers[0]), strict=True))
            seen.updates = dict(zip(own, map(float, numbers[1]), strict=True))
        if seen.loss is None and isinstance(logs, dict) and "loss" in logs:
            seen.loss = float(logs["loss"])
        self.observer.observed(seen)

    def _weight_quantiles(self, own: list[str], values: Any) -> dict[stats.Key, Any]:
        if self._sample_function is None:

            def take(values: Any) -> Any:
                samples = stats.Samples()
                for name, value in zip(own, values, strict=True):
                    samples.add(Fact.WEIGHT_QUANTILES, name, value)
                self._names["weights"] = samples.lengths
                return samples.joined()

            self._sample_function = jax.jit(take)
            started = time.perf_counter()
            jax.block_until_ready(self._sample_function(values))
            self.observer.compiled(time.perf_counter() - started)
        return stats.distributions(self._sample_function(values), self._names["weights"])

    def _own(self) -> list[str]:
        return [self._parameter(v) for v in self.observer.model.trainable_variables]

    def _parameter(self, variable: Any) -> str:
        return str(self.observer.parameter_names.get(id(variable), variable.path))

    def _rate(self, values: Any) -> float | None:
        optimizer = inner_optimizer(self.observer.model.optimizer)
        rate = getattr(optimizer, "_learning_rate", None)
        if callable(rate) and not hasattr(rate, "assign"):
            iterations = self._variable(optimizer._iterations, values)
            return None if iterations is None else float(rate(jnp.asarray(int(iterations))))
        return self._variable(rate, values)

    def _variable(self, variable: Any, values: Any) -> float | None:
        """The value of an optimizer variable in the state; the variable itself may be empty."""
        for known, value in zip(self.observer.model.optimizer.variables, values, strict=True):
            if known is variable:
                return float(value)
        return None


def _updates(after: Any, before: Any) -> Any:
    return jnp.stack(
        [stats.norms(after), stats.norms([a - b for a, b in zip(after, before, strict=True)])]
    )


class _Counted:
    """An iterator that counts what is taken from it."""

    def __init__(self, inner: Iterator[Any]) -> None:
        self._inner = inner
        self.count = 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> Any:
        value = next(self._inner)
        self.count += 1
        return value
