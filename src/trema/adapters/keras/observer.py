"""Watches the training steps of one model: what is known before, what each sampled step shows.

The back end decides how a step is looked into; everything that is kept is decided here.
"""

from __future__ import annotations

import dataclasses
import math
import time
import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from trema.adapters.keras import data as fit_data
from trema.adapters.keras.collect import replace, restore
from trema.adapters.keras.data import FitCall
from trema.adapters.keras.datasets import keep_batch, splits_of, tell, tell_datasets
from trema.adapters.keras.describe import infer_inputs, infer_outputs
from trema.adapters.keras.graph import ModelGraph, parameters_of
from trema.adapters.keras.info import run_info
from trema.adapters.keras.rates import EpochRates
from trema.adapters.keras.seen import Seen, add_tensor, form, named
from trema.core.facts import TRAIN, VALIDATION, Fact, Observation, Phase, Snapshot
from trema.core.passing import Passing
from trema.core.reduce import tensor_statistics
from trema.engine.schedule import mark
from trema.engine.session import Session

#: Steps shorter than this get no check for non-finite values every time.
LONG_STEP = 2e-3  # seconds
#: Then the loss is looked at after every so many steps.
SENTINEL = 16

_installed: weakref.WeakKeyDictionary[Any, Observer] = weakref.WeakKeyDictionary()


def observer_of(model: Any) -> Observer | None:
    """The observer that watches this model now."""
    return _installed.get(model)


def make_stepper(observer: Observer) -> Any:
    """The part that looks into steps of the active back end."""
    backend = keras.backend.backend()
    if backend == "torch":
        from trema.adapters.keras.backend_torch import TorchStepper

        return TorchStepper(observer)
    if backend == "jax":
        from trema.adapters.keras.backend_jax import JaxStepper

        return JaxStepper(observer)
    from trema.adapters.keras.backend_tensorflow import TensorflowStepper

    return TensorflowStepper(observer)


class Observer:
    """Feeds one segment of the session for the time of a fit, or until it is detached."""

    def __init__(self, session: Session, model: Any, call: FitCall) -> None:
        self.session = session
        self.model = model
        self.call = call
        self.step = 0
        self.epoch = 0
        self.graph = ModelGraph(model)
        self.parameter_names = parameters_of(model)
        self.unobserved: dict[str, str] = {}
        self.long_steps = True
        self.told_origin = False
        self.told_loss = False
        self.attached = False
        self._passing: Passing | None = None
        self._undo: list[tuple[Any, str, Any]] = []
        self._described = False
        self._last_time = 0.0
        self._last_step = 0
        self._excluded = 0.0
        self.stepper = make_stepper(self)
        info = run_info(model, self.graph, self.parameter_names, call)
        info = dataclasses.replace(info, unobserved=dict(self.unobserved))
        self.segment = session.open_segment(info)
        self.schedule = self.segment.schedule
        self.rates = EpochRates(self)
        self.next = self.schedule.next_step

    # install and undo ---------------------------------------------------------------------

    def install(self) -> None:
        """Put the observed step in the place of the model's train function."""
        before = _installed.pop(self.model, None)
        if before is not None:
            before.uninstall()
        _installed[self.model] = self
        self._undo.append(replace(self.model, "train_function", self.model.train_function))
        self.model.__dict__["train_function"] = self.stepper.wrap(self.model.train_function)

    def uninstall(self) -> None:
        """Leave the model as it was."""
        if _installed.get(self.model) is self:
            del _installed[self.model]
        self.stepper.remove()
        self.segment.steps = max(self.segment.steps, self.step)
        while self._undo:
            owner, name, before = self._undo.pop()
            ours = getattr(owner.__dict__.get(name), "__trema__", False)
            if name != "train_function" or ours:  # compile() made a new one meanwhile
                restore(owner, name, before)

    def close(self) -> None:
        """The fit is over."""
        self.session.guarded("keras adapter", self.rates.close)
        self.uninstall()
        self.session.guarded("keras adapter", self.segment.close)

    def guard(self, action: Callable[[], Any]) -> Any:
        """Run and time a part of ours; an error is noted and ends this observer."""
        begun = mark()
        try:
            return action()
        except Exception as error:
            self.next = 1 << 62
            self.session.failed("keras adapter", error)
            return None
        finally:
            self.schedule.add(*begun.passed(self._excluded))
            self._excluded = 0.0

    def compiled(self, seconds: float) -> None:
        """Compiling our function happens once: it is told, and is no cost of a sampled step."""
        self._excluded += seconds
        if seconds > 1.0:
            self.session.notes.append(f"compiling the observed step took {seconds:.1f} s once")

    # the data -----------------------------------------------------------------------------

    def look_at_data(self) -> None:
        """Compare the splits and take statistics of the validation data."""
        try:
            if self.call.has_validation:
                self._compare(self.call)
            splits = splits_of(self.call)
            if TRAIN not in splits or splits[TRAIN].source != "arrays":
                self._passing = Passing(self.session.config.memory)
            tell_datasets(self.segment, splits)
        finally:  # hold neither the data nor the frame's list of callbacks
            self.call = dataclasses.replace(
                self.call, x=None, y=None, validation_x=None, validation_y=None, callback_list=None
            )

    def see_batch(self, x: Any, y: Any) -> None:
        """A batch of a sampled step, kept where the data cannot be read whole."""
        if self._passing is not None and not self._passing.full:
            keep_batch(self._passing, x, y)

    def _tell_passing(self) -> None:
        """The batches of the first epoch stand for the data."""
        passing, self._passing = self._passing, None
        split = passing.split(weighted=self.call.weighted) if passing is not None else None
        if split is not None:
            tell(self.segment, split, TRAIN, self.step)

    def refresh(self) -> None:
        """Describe again a model that was built by its first step."""
        self.graph = ModelGraph(self.model)
        self.parameter_names = parameters_of(self.model)
        info = run_info(self.model, self.graph, self.parameter_names, self.call)
        self.segment.update(
            layers=info.layers,
            edges=info.edges,
            parameters=info.parameters,
            head=info.head,
            optimizers=info.optimizers,
        )

    def _compare(self, call: FitCall) -> None:
        train, validation = fit_data.rows_of(call.x), fit_data.rows_of(call.validation_x)
        if validation is not None:
            self._validation_facts(validation)
        if train is None or validation is None:
            self._cannot(Fact.OVERLAP, "the samples of the fit cannot be read whole before it")
            return
        found = fit_data.compare(train, validation)
        if found is None:
            self._cannot(Fact.OVERLAP, "training and validation samples have different forms")
            return
        pairs = found.pop("all")
        labels = fit_data.labels_of(call.x, call.y)
        other = fit_data.labels_of(call.validation_x, call.validation_y)
        found["labels_agree"] = fit_data.agreeing_labels(pairs, labels, other)
        self._observe(Fact.OVERLAP, found, None)

    def _validation_facts(self, rows: fit_data.Rows) -> None:
        values: dict[tuple[Fact, str], Any] = {}
        for name, array in rows.items():
            part = array[: fit_data.VALIDATION_ROWS]
            self.segment.seen(
                form("input", name, VALIDATION, tuple(part.shape), str(array.dtype), 0)
            )
            add_tensor(values, "input", name, tensor_statistics(part))
        targets = fit_data.labels_of(self.call.validation_x, self.call.validation_y)
        if targets is not None:
            part = targets[: fit_data.VALIDATION_ROWS]
            self.segment.seen(form("target", "", VALIDATION, tuple(part.shape), str(part.dtype), 0))
            add_tensor(values, "target", "", tensor_statistics(part))
        self._record(values, VALIDATION, 0)

    def _cannot(self, fact: Fact, reason: str) -> None:
        self.unobserved[str(fact)] = reason
        self.segment.update(unobserved=dict(self.unobserved))

    def cannot(self, reason: str, *facts: Fact) -> None:
        """Note facts that this run cannot show."""
        for fact in facts:
            self.unobserved[str(fact)] = reason
        if hasattr(self, "segment"):
            self.segment.update(unobserved=dict(self.unobserved))

    # steps --------------------------------------------------------------------------------

    def observed(self, seen: Seen) -> None:
        """Take in an observed step; the step counter still stands on it."""
        for role, name, shape, dtype in seen.forms:
            self.segment.seen(form(role, name, TRAIN, shape, dtype, self.step))
        if not self._described:
            self._described = True
            self._describe(seen)
        if self._passing is not None and self._passing.full:
            self._tell_passing()
        self._record(seen.values(), TRAIN, self.step)
        self.judge(seen, self.step)
        self.next = self.schedule.observed(self.step)
        now = time.perf_counter()
        if self._last_time and self.step > self._last_step:
            seconds = (now - self._last_time) / (self.step - self._last_step)
            self.long_steps = seconds > LONG_STEP
        self._last_time, self._last_step = now, self.step

    def judge(self, seen: Seen, step: int) -> None:
        """Tell the first non-finite value of a step once."""
        if self.told_origin:
            return
        origin = seen.origin()
        if origin is not None:
            self.told_origin = True
            self._observe(Fact.NONFINITE_ORIGIN, {**origin, "step": step}, step)

    def bad_loss(self, value: float, step: int, seen: Seen | None) -> None:
        """A loss that is not finite, met between samples; ``seen``: the step replayed."""
        if not self.told_loss:
            self.told_loss = True
            self._record({(Fact.LOSS, ""): value}, TRAIN, step)
            self.judge(seen if seen is not None else Seen(loss=value), step)
            self.segment.assess()

    def crashed(self, batch: Any = None) -> None:
        """The step raised: nothing of ours stays on the model. What the batch was is told, since
        labels that do not fit the loss often end so."""
        try:
            self.uninstall()
            if batch is not None:
                self._tell_batch(batch)
        except Exception as error:
            self.session.failed("keras adapter", error)

    def _tell_batch(self, batch: Any) -> None:
        """Facts of the targets of a batch, and the shape of the outputs as the model states it."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        values: dict[tuple[Fact, str], Any] = {}
        for name, tensor in named(y).items():
            array = np.asarray(keras.ops.convert_to_numpy(tensor))
            shape = tuple(array.shape)
            self.segment.seen(form("target", name, TRAIN, shape, str(array.dtype), self.step))
            add_tensor(values, "target", name, tensor_statistics(array))
        try:
            given = keras.tree.map_structure(lambda part: tuple(part.shape), x)
            made = self.model.compute_output_shape(given)
        except Exception:  # a model of the user need not know
            made = None
        if isinstance(made, tuple) and made and all(isinstance(n, int) for n in made):
            self.segment.seen(form("output", "", TRAIN, made, "", self.step))
        if values:
            self._record(values, TRAIN, self.step)
            self.segment.assess()

    def _describe(self, seen: Seen) -> None:
        """What the first batch adds: kinds of inputs and outputs, the batch size."""
        info = self.segment.info
        inputs = {
            name: (shape, dtype) for role, name, shape, dtype in seen.forms if role == "input"
        }
        output = next((shape for role, _, shape, _ in seen.forms if role == "output"), None)
        row = next((r for (role, _), r in seen.tensors.items() if role == "target"), None)
        one_hot = None
        if row is not None and not math.isnan(row[6]):
            one_hot = bool(abs(row[6] - 1) < 1e-3 and abs(row[7] - 1) < 1e-3)
        changes: dict[str, Any] = {"layers": self._with_shapes(seen, inputs)}
        if info.inputs is None:
            changes["inputs"] = infer_inputs(inputs, info.layers)
        if info.outputs is None:
            width = output[-1] if output and len(output) > 1 else None
            kind = infer_outputs(info.loss, width, one_hot)
            if kind == "multilabel" and output is not None and len(output) > 2:
                kind = "regression"
            changes["outputs"] = kind
        if info.batch_size is None and inputs:
            shape = next(iter(inputs.values()))[0]
            changes["batch_size"] = shape[0] if shape else None
        if self.unobserved:
            changes["unobserved"] = dict(self.unobserved)
        if not info.head and seen.head is not None:
            changes["head"] = (seen.head,)
        changes = {key: value for key, value in changes.items() if value is not None}
        if changes:
            self.segment.update(**changes)

    def _with_shapes(self, seen: Seen, inputs: dict[str, Any]) -> Any:
        """The layers with the shapes of the first batch where the model states none; the axis
        of the batch is None. None when nothing changes."""
        layers = self.segment.info.layers
        batch = next(iter(inputs.values()))[0][:1] if inputs else ()
        shaped = []
        for layer in layers:
            shape = layer.output_shape or seen.shapes.get(layer.name)
            if shape and batch and shape[0] == batch[0]:
                shape = (None, *shape[1:])
            shaped.append(dataclasses.replace(layer, output_shape=shape))
        return tuple(shaped) if tuple(shaped) != layers else None

    def _record(self, values: Any, phase: Phase, step: int) -> None:
        self.segment.record(
            Snapshot(
                step=step,
                epoch=self.epoch,
                phase=phase,
                values=values,
                segment=self.segment.number,
            )
        )

    def _observe(self, fact: Fact, found: dict[str, Any], step: int | None) -> None:
        self.segment.observe(
            Observation(
                fact=fact,
                step=step,
                epoch=self.epoch if step is not None else None,
                data=found,
                segment=self.segment.number,
            )
        )

    def end_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        """Metrics of an epoch, both phases apart."""
        self.epoch = epoch
        self.segment.steps = max(self.segment.steps, self.step)
        self._tell_passing()
        self.rates.epoch_ends()
        numbers = {name: number(value) for name, value in logs.items()}
        train = {n: v for n, v in numbers.items() if v is not None and not n.startswith("val_")}
        other = {n[4:]: v for n, v in numbers.items() if v is not None and n.startswith("val_")}
        train.pop("learning_rate", None)
        loss = train.get("loss")
        if loss is not None and not math.isfinite(loss):
            self.stepper.bad(loss, max(0, self.step - 1))
        if train:
            self.segment.metrics(epoch, TRAIN, train, step=self.step - 1)
        if other:
            self.segment.metrics(epoch, VALIDATION, other, step=self.step - 1)
        self.segment.end_epoch(epoch)
        self.epoch = epoch + 1


def number(value: Any) -> float | None:
    """A metric as a float; None when it is no single number."""
    try:
        return float(np.asarray(keras.ops.convert_to_numpy(value)))
    except Exception:  # metrics may be anything
        return None
