"""Steps on the torch back end: eager, so real tensors are read on sampled steps."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import torch

from trema.adapters.keras.collect import Collector, main_tensor, replace, restore
from trema.adapters.keras.describe import inner_optimizer
from trema.adapters.keras.seen import Seen, dtype_name, named
from trema.adapters.torch import reduce
from trema.core.facts import Fact
from trema.core.reduce import sample_quantiles
from trema.engine.schedule import mark

_INSIDE = (Fact.ACTIVATION_MEAN, Fact.UNIT_MAX, Fact.GRADIENT_NORM, Fact.OUTPUT_MEAN)


class TorchStepper:
    """Replaces ``train_function(data)``; between samples it costs a comparison."""

    def __init__(self, observer: Any) -> None:
        self.observer = observer
        self._scaled = inner_optimizer(observer.model.optimizer) is not observer.model.optimizer
        self._compiled = bool(observer.model._should_torch_compile())
        self._seen: Seen | None = None
        self._before: list[torch.Tensor] = []
        self._held: Any = None
        self._undo: list[Any] = []
        if self._compiled:
            observer.cannot("torch.compile runs the step", *_INSIDE)

    def wrap(self, plain: Any) -> Any:
        """The train function with a look at sampled steps."""
        observer = self.observer
        if not self._compiled and observer.model.optimizer is not None:
            optimizer = observer.model.optimizer
            self._undo.append(replace(optimizer, "apply", self._apply(optimizer.apply)))

        def train_function(data: Any) -> Any:
            if observer.step >= observer.next:
                return self._observe(plain, data)
            self._held = data
            try:
                logs = plain(data)
            except BaseException:
                observer.crashed(data[0] if data else None)
                raise
            self._check(logs)
            observer.step += 1
            return logs

        train_function.__trema__ = True  # type: ignore[attr-defined]  # a mark for undoing
        return train_function

    def remove(self) -> None:
        """Leave the optimizer as it was."""
        while self._undo:
            restore(*self._undo.pop())

    # between samples ----------------------------------------------------------------------

    def _check(self, logs: Any) -> None:
        observer = self.observer
        if observer.told_loss:
            return
        try:
            loss = logs["loss"]
            if loss.device.type != "cpu" and observer.step % 64:
                return  # never wait for the device at each step
            value = float(loss)
        except Exception:  # logs of a user's own train step
            return
        if not math.isfinite(value):
            observer.guard(lambda: self.bad(value, observer.step))

    def bad(self, value: float, step: int) -> None:
        """A loss that is not finite was met between samples."""
        if not self.observer.told_loss:
            self.observer.bad_loss(value, step, self._replay())

    def _apply(self, original: Any) -> Any:
        observer = self.observer

        def apply(gradients: Any, variables: Any = None) -> Any:
            seen = self._seen
            if seen is None:
                if observer.long_steps and not observer.told_origin and not self._scaled:
                    observer.guard(lambda: self._check_gradients(gradients, variables))
                return original(gradients, variables)
            gradients = list(gradients)
            observer.guard(lambda: self._see_gradients(seen, gradients, variables))
            result = original(gradients, variables)
            observer.guard(lambda: self._see_updates(seen, variables))
            return result

        return apply

    def _variables(self, variables: Any) -> list[tuple[str, Any]]:
        names = self.observer.parameter_names
        given = variables
        if given is None:
            given = inner_optimizer(self.observer.model.optimizer)._trainable_variables
        return [(names.get(id(v), str(getattr(v, "path", "?"))), v.value) for v in given]

    def _check_gradients(self, gradients: Any, variables: Any) -> None:
        found = [g for g in gradients if g is not None]
        if not found or found[0].device.type != "cpu":
            return
        with torch.no_grad():
            total = float(torch.stack(reduce.norms([g.detach() for g in found])).sum())
            if math.isfinite(total):
                return
            seen = self._replay() or Seen()
            self._gradient_facts(seen, gradients, self._variables(variables))
        self.observer.judge(seen, self.observer.step)

    # a sampled step -----------------------------------------------------------------------

    def _observe(self, plain: Any, data: Any) -> Any:
        observer = self.observer
        self._held = data
        seen = Seen()
        collector: Any = None
        if not self._compiled:
            collector = observer.guard(lambda: self._listen(seen).__enter__())
        self._seen = seen
        try:
            logs = plain(data)
        except BaseException:
            if collector is not None:
                collector.__exit__(None, None, None)
            self._seen = None
            observer.crashed(data[0] if data else None)
            raise
        if collector is not None:
            collector.__exit__(None, None, None)
        self._seen = None
        observer.guard(lambda: self._finish(seen, collector, data, logs))
        self._before = []
        observer.step += 1
        return logs

    def _listen(self, seen: Seen) -> Collector:
        observer = self.observer
        self._outputs: dict[int, str] = {}

        def on_layer(name: str, layer: Any, output: Any) -> None:
            begun = mark()
            try:
                with torch.no_grad():
                    out = main_tensor(output)
                    if out is None or not out.is_floating_point():
                        return
                    self._outputs[id(output)] = name
                    if name in seen.activations:
                        return
                    stats = reduce.activation_statistics(out)
                    # rows beyond the first tell by their sum whether one is not finite
                    total = out.detach().sum(dtype=torch.float32)
                    stats[4] = torch.maximum(stats[4], (~torch.isfinite(total)).float())
                    has_nan = torch.isnan(total).float()
                    seen.activations[name] = torch.cat([stats, has_nan.reshape(1)])
                    seen.shapes[name] = tuple(out.shape)
                    axis = observer.graph.unit_axis(name, out.ndim)
                    units = None if axis is None else reduce.unit_max(out, axis)
                    if units is not None:
                        seen.units[name] = units
                    self._sample(seen, Fact.ACTIVATION_QUANTILES, name, out)
            except Exception as error:
                observer.session.failed("keras adapter", error)
            finally:
                observer.schedule.add(*begun.passed())

        return Collector(observer.model, observer.graph.leaves, on_layer)

    def _sample(self, seen: Seen, fact: Fact, name: str, tensor: torch.Tensor) -> None:
        if self.observer.schedule.distributions:
            sample = reduce.sample(tensor)
            if sample is not None:
                seen.quantiles[fact, name] = sample

    def _see_gradients(self, seen: Seen, gradients: Any, variables: Any) -> None:
        with torch.no_grad():
            own = self._variables(variables)
            weights = reduce.numbers(reduce.norms([v.detach() for _, v in own]))
            for (name, value), norm in zip(own, weights, strict=True):
                if not math.isfinite(norm) and not bool(torch.isfinite(value).all()):
                    seen.bad_weights[name] = norm
            self._gradient_facts(seen, gradients, own)
            limit = self.observer.session.config.memory // 4
            if sum(v.numel() * v.element_size() for _, v in own) <= limit:
                self._before = [v.detach().clone() for _, v in own]

    def _gradient_facts(self, seen: Seen, gradients: Any, own: list[tuple[str, Any]]) -> None:
        pairs = [(n, g.detach()) for (n, _), g in zip(own, gradients, strict=True) if g is not None]
        norms = reduce.numbers(reduce.norms([g for _, g in pairs]))
        for (name, gradient), norm in zip(pairs, norms, strict=True):
            bad = 0.0 if math.isfinite(norm) else float((~torch.isfinite(gradient)).sum())
            seen.gradients[name] = (norm, bad)
            self._sample(seen, Fact.GRADIENT_QUANTILES, name, gradient)

    def _see_updates(self, seen: Seen, variables: Any) -> None:
        with torch.no_grad():
            own = self._variables(variables)
            after = [v.detach() for _, v in own]
            for (name, _), norm in zip(own, reduce.numbers(reduce.norms(after)), strict=True):
                seen.weights[name] = norm
            for name, value in own:
                self._sample(seen, Fact.WEIGHT_QUANTILES, name, value)
            if len(self._before) == len(own):
                moved = list(torch._foreach_sub(after, self._before))
                for (name, _), norm in zip(own, reduce.numbers(reduce.norms(moved)), strict=True):
                    seen.updates[name] = norm

    def _finish(self, seen: Seen, collector: Any, data: Any, logs: Any) -> None:
        observer = self.observer
        with torch.no_grad():
            x, y, _ = keras.utils.unpack_x_y_sample_weight(data[0])
            self._tensors(seen, "input", x)
            self._tensors(seen, "target", y)
            observer.see_batch(x, y)
            if collector is not None:
                self._tensors(seen, "output", collector.y_pred)
                seen.head = self._outputs.get(id(collector.y_pred))
            self._to_host(seen)
            seen.loss = self._loss(collector, logs)
        optimizer = inner_optimizer(observer.model.optimizer)
        seen.rate = _rate(optimizer)
        if self._scaled:
            scale = float(observer.model.optimizer.dynamic_scale.value)
            seen.unscale(scale)
        observer.observed(seen)

    def _loss(self, collector: Any, logs: Any) -> float | None:
        loss = collector.loss if collector is not None else None
        if loss is None and isinstance(logs, dict):
            loss = logs.get("loss")  # the mean of the epoch so far
        return float(loss) if loss is not None and np.prod(tuple(loss.shape)) == 1 else None

    def _to_host(self, seen: Seen) -> None:
        if seen.activations:
            table = torch.stack(list(seen.activations.values())).cpu().numpy()
            seen.activations = dict(zip(list(seen.activations), table, strict=True))
        arrays = reduce.to_host([*seen.units.values(), *seen.quantiles.values()])
        units, samples = arrays[: len(seen.units)], arrays[len(seen.units) :]
        seen.units = dict(zip(seen.units, units, strict=True))
        seen.quantiles = dict(zip(seen.quantiles, map(sample_quantiles, samples), strict=True))

    def _tensors(self, seen: Seen, role: str, structure: Any) -> None:
        for name, tensor in named(structure).items():
            t = torch.as_tensor(tensor) if not isinstance(tensor, torch.Tensor) else tensor
            seen.forms.append((role, name, tuple(t.shape), dtype_name(t)))
            stats = reduce.tensor_statistics(t).cpu().numpy()
            has_nan = float(torch.isnan(t).any()) if t.is_floating_point() else 0.0
            seen.tensors[role, name] = np.append(stats, has_nan)

    # a replay -----------------------------------------------------------------------------

    def _replay(self) -> Seen | None:
        """The held batch through the model again, with every state put back."""
        model, data = self.observer.model, self._held
        if data is None or self._compiled:
            return None
        seen = Seen()
        states = [(v, v.value.detach().clone()) for v in model.non_trainable_variables]
        states += [(v, v.value.detach().clone()) for v in model.metrics_variables]
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data[0])
        devices = sorted({v.value.device.index or 0 for v in model.variables if v.value.is_cuda})
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            self._tensors(seen, "input", x)
            self._tensors(seen, "target", y)
            for variable in model.variables:
                bad = variable.value.is_floating_point() and not bool(
                    torch.isfinite(variable.value).all()
                )
                if bad and id(variable) in self.observer.parameter_names:
                    name = self.observer.parameter_names[id(variable)]
                    seen.bad_weights[name] = float(variable.value.float().norm())
            try:
                with self._listen(seen):
                    y_pred = model(x, training=True) if model._call_has_training_arg else model(x)
                    loss = model._compute_loss(
                        x=x, y=y, y_pred=y_pred, sample_weight=weight, training=True
                    )
                seen.loss = float(loss)
            except Exception:  # a forward that cannot run twice tells less
                pass
            finally:
                for variable, value in states:
                    variable.value.copy_(value)
        self._to_host(seen)
        return seen


def _rate(optimizer: Any) -> float | None:
    if optimizer is None:
        return None
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
