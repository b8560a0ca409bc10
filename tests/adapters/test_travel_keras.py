"""Recording a Keras training: what is kept, and that the training stays what it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import trema
from tests.travel.real import mnist
from trema import travel

# Keras reads tensors of torch in a way that NumPy 2 warns of
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X, Y = np.moveaxis(mnist(300)[0], 1, -1), mnist(300)[1]


def network() -> Any:
    """Layers with states of their own, and a penalty on what a layer gives."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(4, 5, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(16, activation="relu", activity_regularizer="l2"),
            layers.Dense(10, activation="softmax", name="digits"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


class Own(keras.Model):  # type: ignore[misc]  # keras is untyped
    """A subclass, which has no graph before it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.flat, self.body = keras.layers.Flatten(), keras.layers.Dense(8, activation="relu")
        self.head = keras.layers.Dense(1, activation="sigmoid", name="even")

    def call(self, x: Any, training: bool = False) -> Any:
        return self.head(self.body(self.flat(x)))


def fit(model: Any, y: Any = Y, *, epochs: int = 3, **options: Any) -> dict[str, Any]:
    watch = trema.keras.Watch(strict=True, console=False, **options)
    model.fit(X, y, epochs=epochs, verbose=0, callbacks=[watch])
    document = watch.finish()
    assert document is not None
    return document


def notes(document: dict[str, Any]) -> str:
    return " ".join(document["run"]["notes"])


def check_identical_and_whole() -> None:
    plain, followed, stepped = network(), network(), network()
    for model in (plain, followed, stepped):  # all begin alike
        model.set_weights(plain.get_weights())
    keras.utils.set_random_seed(1)
    fit(plain)
    keras.utils.set_random_seed(1)
    document = fit(followed, travel={"train": (X, Y), "unlabelled": X[:40]})
    keras.utils.set_random_seed(1)
    by_step = fit(
        stepped, travel=(X, Y), travel_options={"schedule": 7, "samples": 30, "compress": 12}
    )
    for model in (followed, stepped):
        for a, b in zip(plain.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    read = travel.open_recording(document["run"]["id"])
    assert read.epochs == [0, 1, 2]
    assert read.about["layer"] == "digits"
    assert read.kind == "softmax"
    labels = read.labels()
    assert labels is not None
    np.testing.assert_array_equal(labels, Y)
    logits = np.asarray(read.logits()[-1], dtype=np.float32)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    shown = followed.predict(X, verbose=0)
    np.testing.assert_allclose(e / e.sum(axis=1, keepdims=True), shown, atol=2e-3)
    stepwise = travel.open_recording(by_step["run"]["id"])
    assert stepwise.epochs == [6, 13, 20, 27]
    assert stepwise.representations()[0].shape == (30, 12)


def test_each_epoch_is_recorded_and_the_training_is_the_same_bit_for_bit() -> None:
    check_identical_and_whole()


@pytest.mark.slow
def test_the_same_on_jax() -> None:
    pytest.importorskip("jax")
    code = (
        "from tests.adapters.test_travel_keras import check_identical_and_whole as check; check()"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_subclass_with_one_sigmoid() -> None:
    model = Own()
    model.compile("adam", "binary_crossentropy")
    even = (Y % 2 == 0).astype("float32")[:, None]
    document = fit(model, even, epochs=2, travel=(X, even))
    read = travel.open_recording(document["run"]["id"])
    assert read.kind == "sigmoid"
    assert read.epochs == [0, 1]
    labels = read.labels()
    assert labels is not None
    np.testing.assert_array_equal(labels, even[:, 0])
    p = 1 / (1 + np.exp(-np.asarray(read.logits()[-1], dtype=np.float32)))
    np.testing.assert_allclose(p, model.predict(X, verbose=0), atol=2e-3)


def test_refusals_do_not_end_the_training() -> None:
    layers = keras.layers
    keras.utils.set_random_seed(0)
    conv = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Conv2D(10, 28), layers.Flatten(), layers.Softmax()]
    )
    conv.compile("sgd", "sparse_categorical_crossentropy")
    assert "no Dense layer ran" in notes(fit(conv, epochs=1, travel=(X, Y)))
    tanh = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(1), layers.Activation("tanh")]
    )
    tanh.compile("sgd", "mse")
    assert "not that of its last Dense layer" in notes(fit(tanh, epochs=1, travel=(X, Y)))
    assert "no Dense layer 'x'" in notes(
        fit(tanh, epochs=1, travel=(X, Y), travel_options={"layer": "x"})
    )
    model = network()
    hidden = next(layer.name for layer in model.layers if layer.name.startswith("dense"))
    told = notes(fit(model, epochs=1, travel=(X, Y), travel_options={"layer": hidden}))
    assert f"`{hidden}` is not what gives the network's output: `digits` is" in told


def test_data_that_cannot_be_recorded_are_a_note_and_no_failure_of_ours() -> None:
    document = fit(network(), epochs=1, travel=(X, Y[:-5]))
    assert "time travel records nothing: inputs and labels" in notes(document)
    assert not document["failed_checks"]


def test_batches_of_keras_are_read_by_sample() -> None:
    class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # keras is untyped
        def __len__(self) -> int:
            return 5

        def __getitem__(self, at: int) -> Any:
            return X[at * 64 : at * 64 + 64], Y[at * 64 : at * 64 + 64]

    document = fit(network(), epochs=1, travel=Batches(), travel_options={"batch": 90})
    read = travel.open_recording(document["run"]["id"])
    labels = read.labels()
    assert labels is not None
    np.testing.assert_array_equal(labels, Y)
