"""Keras programs that crash, with what Trema must say. Run: ``keras_crashes.py NAME``."""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
from keras import layers

RNG = np.random.default_rng(0)
ROWS = RNG.random((64, 20)).astype("float32")
IMAGES = RNG.random((64, 28, 28, 1)).astype("float32")
CLASSES = np.arange(64) % 5


def fit(model: Any, x: Any, y: Any, loss: str = "sparse_categorical_crossentropy") -> None:
    model.compile("adam", loss)
    model.fit(x, y, batch_size=32, epochs=1, verbose=0)


def classifier(*inner: Any, shape: tuple[int, ...] = (20,)) -> Any:
    return keras.Sequential([keras.Input(shape), *inner, layers.Dense(5, activation="softmax")])


def other_width() -> None:
    model = classifier(layers.Dense(8))
    fit(model, ROWS, CLASSES)
    fit(model, ROWS[:, :12], CLASSES)


def missing_channels() -> None:
    model = keras.Sequential([layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(5)])
    fit(model, IMAGES[..., 0], CLASSES)


def images_for_rows() -> None:
    fit(classifier(shape=(784,)), IMAGES, CLASSES)


def layer_reused() -> None:
    dense = layers.Dense(8)
    dense.build((None, 30))
    fit(keras.Sequential([dense, layers.Dense(5)]), ROWS, CLASSES)


def integer_targets() -> None:
    fit(classifier(), ROWS, CLASSES, "categorical_crossentropy")


def one_hot_targets() -> None:
    fit(classifier(), ROWS, keras.utils.to_categorical(CLASSES, 5))


def row_numbers() -> None:
    fit(classifier(), ROWS, CLASSES[:60])


def token() -> None:
    model = keras.Sequential(
        [layers.Embedding(50, 8), layers.GlobalAveragePooling1D(), layers.Dense(5)]
    )
    fit(model, np.arange(64 * 6).reshape(64, 6) % 51, CLASSES)


def label() -> None:
    fit(classifier(), ROWS, CLASSES + 1)


def concatenate() -> None:
    class Joined(keras.Model):  # type: ignore[misc]  # keras is untyped
        def __init__(self) -> None:
            super().__init__()
            self.one = layers.Conv2D(4, 3)
            self.two = layers.Conv2D(4, 5)
            self.join = layers.Concatenate()

        def call(self, x: Any) -> Any:
            return self.join([self.one(x), self.two(x)])

    fit(Joined(), IMAGES, CLASSES)


def own_call() -> None:
    class Own(keras.Model):  # type: ignore[misc]  # keras is untyped
        def __init__(self) -> None:
            super().__init__()
            self.one = layers.Dense(7)
            self.two = layers.Dense(5)

        def call(self, x: Any) -> Any:
            return self.two(x) + self.one(x)

    fit(Own(), ROWS, CLASSES)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    globals()[sys.argv[1]]()
