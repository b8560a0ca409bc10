"""Forward passes of a Keras network over fixed samples, which leave the training as it was."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from trema.travel.record.head import Head, Refused, checked_outputs, meaning_of
from trema.travel.record.options import RecordOptions
from trema.travel.record.passing import Found, Pass, head_among
from trema.travel.record.rows import Rows
from trema.travel.record.sources import Source
from trema.travel.record.writer import Frame

#: Samples of the pass that finds the head.
_TRIED = 8


class KerasPass(Pass):
    """Passes of one Keras model, of any kind and back end: its Dense layers are listened to.

    Raises
    ------
    Refused
        When the model has no Dense head that can be shown, or cannot run on the samples.
    """

    def __init__(self, model: Any, sources: Mapping[str, Source], options: RecordOptions) -> None:
        self.model = model
        self.sources = dict(sources)
        self.options = options
        with _undisturbed(model):
            self._head, self.outputs, self._sigmoid, self._later = self._find()
        self.layer = str(self._head.name)

    def describe(self) -> Found:
        """What was found, and the labels, read once."""
        with _undisturbed(self.model):
            labels = {name: self._labels(source) for name, source in self.sources.items()}
        meaning = meaning_of(labels, self.outputs, stated=self.options.kind, sigmoid=self._sigmoid)
        width = int(self._head.kernel.shape[0])
        return Found(self.layer, meaning, width, self.outputs, self._later)

    def run(self) -> tuple[dict[str, Frame], Head, float]:
        """Frames by split, the head, and the seconds that it took."""
        started = time.perf_counter()
        if hasattr(self.model, "jax_state_sync"):  # between steps the weights live elsewhere
            self.model.jax_state_sync()
        with _undisturbed(self.model):
            head = self._weights()
            frames = {name: self._frame(source, head) for name, source in self.sources.items()}
        return frames, head, time.perf_counter() - started

    def _weights(self) -> Head:
        bias = self._head.bias
        return Head.of(_array(self._head.kernel).T, None if bias is None else _array(bias))

    def _frame(self, source: Source, head: Head) -> Frame:
        frame = Frame(Rows(len(source)), Rows(len(source)))
        for inputs, _ in source.batches(self.options.batch):
            with _listening({self.layer: self._head}) as ran:
                self._call(inputs)
            if not ran:
                raise Refused(f"`{self.layer}` did not run on the samples")
            x = _array(ran[-1][1])
            frame.representations.add(x)
            # the layer itself may end in an activation
            frame.logits.add(x.astype(np.float32) @ head.weights.T + head.biases)
        return frame

    def _labels(self, source: Source) -> NDArray[Any] | None:
        found = []
        for _, labels in source.batches(self.options.batch):
            if labels is None:
                return None
            found.append(_array(labels))
        return np.concatenate(found)

    # the network --------------------------------------------------------------------------

    def _call(self, inputs: Any) -> Any:
        x = keras.tree.map_structure(_plain, inputs)
        return self.model(list(x) if isinstance(x, tuple) else x, training=False)

    def _find(self) -> tuple[Any, int, bool, str | None]:
        """The head, its outputs, whether the network ends in a sigmoid, and the layer that runs
        last where another was named."""
        source = next(iter(self.sources.values()))
        dense = {str(layer.name): layer for layer in _dense_layers(self.model)}
        wanted = self.options.layer
        if wanted is not None and wanted not in dense:
            raise Refused(
                f"there is no Dense layer {wanted!r} to record: choose one of "
                f"{', '.join(list(dense)[-8:]) or 'none, since the network has none'}"
            )
        inputs, _ = next(source.batches(min(_TRIED, len(source))))
        try:
            with _listening(dense) as ran:
                output = self._call(inputs)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise Refused(
                "the network could not run on the travel data, which must be what fit is given "
                f"({reason})"
            ) from error
        if not ran:
            raise Refused(
                "no Dense layer ran in a forward pass: time travel needs a network whose last "
                "layer is Dense, or layer= that names one"
            )
        shown = _main(output)

        def gives(logits: NDArray[Any], any_of_them: bool = False) -> bool:
            every = map(_array, keras.tree.flatten(output)) if any_of_them else [shown]
            return any(one is not None and _shows(one, logits) for one in every)

        # the layer itself may end in an activation
        linear = [(name, given, _logits(dense[name], given)) for name, given, _ in ran]
        name, given, logits = head_among(linear, wanted, gives)
        outputs = checked_outputs(logits.shape, min(_TRIED, len(source)), name)
        if len(given.shape) != 2:
            raise Refused(f"`{name}` reads tensors of {len(given.shape)} axes, not a row a sample")
        plain = gives(logits)
        if wanted is None and not plain:
            raise Refused(
                f"the network's output is not that of its last Dense layer `{name}`: name the "
                "layer that gives the logits with travel_options={'layer': …}"
            )
        ends = plain and shown is not None and _shows(shown, logits, sigmoid=True)
        return dense[name], outputs, ends, ran[-1][0] if ran[-1][0] != name else None


def _logits(layer: Any, given: Any) -> NDArray[Any]:
    logits = _array(given).astype(np.float32) @ _array(layer.kernel)
    return np.asarray(logits + (0 if layer.bias is None else _array(layer.bias)))


def _shows(output: NDArray[Any], logits: NDArray[Any], *, sigmoid: bool = False) -> bool:
    """Whether an output is these logits or probabilities made of them; or only their sigmoid."""
    if output.size != logits.size:
        return False
    shown, half = output.reshape(logits.shape), 0.5 * (1 + np.tanh(0.5 * logits))
    if sigmoid:
        return bool(np.allclose(shown, half, atol=1e-4))
    forms = (logits, half, _softmax(logits))
    return any(np.allclose(shown, form, atol=1e-3, equal_nan=True) for form in forms)


@contextmanager
def _undisturbed(model: Any) -> Iterator[None]:
    """No gradients, and afterwards random states and the variables that no gradient changes are
    what they were. Inside, generators begin alike, so that samples are the same in every epoch."""
    kept = [
        (variable, _array(variable.value).copy())
        for variable in model.non_trainable_variables
        if variable.dtype != "string"
    ]
    torch = sys.modules.get("torch")
    states = random.getstate(), np.random.get_state()
    torch_state = torch.get_rng_state() if torch is not None else None
    try:
        random.seed(0)
        np.random.seed(0)
        with ExitStack() as stack:
            if torch is not None:
                torch.manual_seed(0)
                stack.enter_context(torch.no_grad())
            yield
    finally:
        for variable, value in kept:
            now = _array(variable.value)
            if not np.array_equal(now, value, equal_nan=now.dtype.kind == "f"):
                variable.assign(value)
        random.setstate(states[0])
        np.random.set_state(states[1])
        if torch is not None and torch_state is not None:
            torch.set_rng_state(torch_state)


@contextmanager
def _listening(layers: Mapping[str, Any]) -> Iterator[list[tuple[str, Any, Any]]]:
    """What these layers read and gave, in the order in which they ran."""
    ran: list[tuple[str, Any, Any]] = []
    undo: list[tuple[Any, Any]] = []
    try:
        for name, layer in layers.items():
            undo.append((layer, layer.__dict__.get("call", undo)))
            layer.__dict__["call"] = _noting(name, layer.call, ran)
        yield ran
    finally:
        for layer, before in undo:
            if before is undo:  # there was none on the instance
                del layer.__dict__["call"]
            else:
                layer.__dict__["call"] = before


def _noting(name: str, call: Any, ran: list[tuple[str, Any, Any]]) -> Any:
    def noting(inputs: Any, *args: Any, **options: Any) -> Any:
        output = call(inputs, *args, **options)
        ran.append((name, inputs, output))
        return output

    return noting


def _dense_layers(model: Any) -> list[Any]:
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.Dense)
    ]


def _main(output: Any) -> NDArray[Any] | None:
    while isinstance(output, Mapping | tuple | list) and output:
        output = next(iter(output.values())) if isinstance(output, Mapping) else output[0]
    return _array(output) if hasattr(output, "shape") else None


def _array(tensor: Any) -> NDArray[Any]:
    if isinstance(tensor, np.ndarray):
        return tensor
    if isinstance(tensor, keras.Variable):
        tensor = tensor.value
    if hasattr(tensor, "detach"):  # of torch, which NumPy 2 warns of when it reads it itself
        plain = tensor.detach().cpu()
        return np.asarray((plain.float() if "bfloat16" in str(plain.dtype) else plain).numpy())
    array = np.asarray(keras.ops.convert_to_numpy(tensor))
    known = array.dtype.kind in "fiub" and array.dtype.itemsize <= 8 and array.dtype.isbuiltin == 1
    return array if known else array.astype(np.float32)  # bfloat16


def _plain(part: Any) -> Any:
    """An input as an array, with the width of numbers that ``fit`` gives the network."""
    array = _array(part)
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


def _softmax(logits: NDArray[Any]) -> NDArray[Any]:
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def collate(samples: list[Any]) -> Any:
    """A batch of samples, each an array, or a tuple or mapping of arrays."""
    first = samples[0]
    if isinstance(first, Mapping):
        return {name: collate([one[name] for one in samples]) for name in first}
    if isinstance(first, tuple | list):
        return tuple(collate([one[at] for one in samples]) for at in range(len(first)))
    return np.stack([_array(one) if hasattr(one, "shape") else np.asarray(one) for one in samples])
