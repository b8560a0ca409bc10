"""Trains small Keras models in a process of its own and prints what came out as JSON.

python keras_program.py CASE on|off FOLDER
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import keras
import numpy as np
from keras import layers

CASE, MODE, FOLDER = sys.argv[1:4]
rng = np.random.default_rng(0)
IMAGES = rng.normal(size=(192, 8, 8, 1)).astype("float32")
ROWS = rng.normal(size=(192, 6)).astype("float32")
LABELS = rng.integers(0, 3, 192)


def watches() -> list[Any]:
    if MODE == "off":
        return []
    from trema.adapters.keras import Watch

    return [Watch(dir=FOLDER, strict=True, console=False)]


def dense(**options: Any) -> Any:
    model = keras.Sequential(
        [layers.Input((6,)), layers.Dense(8, activation="relu"), layers.Dense(3, name="head")]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(**{"optimizer": "adam", "loss": loss, "metrics": ["accuracy"], **options})
    return model


def conv() -> tuple[Any, Any]:
    """Dropout, batch normalization, a schedule, a random layer: everything with a state."""
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.GaussianNoise(0.1),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-2, 5, 0.9)
    model.compile(
        keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    history = model.fit(
        IMAGES, LABELS, epochs=4, batch_size=20, validation_split=0.2, verbose=0,
        callbacks=watches(),
    )  # fmt: skip
    return model, history


def overlap() -> tuple[Any, Any]:
    model = dense()
    history = model.fit(
        ROWS, LABELS, epochs=2, verbose=0, validation_data=(ROWS[:40], LABELS[:40]),
        callbacks=watches(),
    )  # fmt: skip
    return model, history


def several() -> tuple[Any, Any]:
    """Two inputs by name, two outputs, a model in a model, sample weights."""
    one, two = keras.Input((6,), name="one"), keras.Input((6,), name="two")
    inner = keras.Sequential([layers.Dense(5, name="inner"), layers.ReLU(name="relu")])
    merged = layers.concatenate([layers.Dense(4, name="a")(one), layers.Dense(4, name="b")(two)])
    hidden = inner(merged)
    outputs = {
        "price": layers.Dense(1, name="price")(hidden),
        "kind": layers.Dense(3, activation="softmax", name="kind")(hidden),
    }
    model = keras.Model({"one": one, "two": two}, outputs)
    model.compile("sgd", {"price": "mse", "kind": "sparse_categorical_crossentropy"})
    targets = {"price": ROWS[:, :1], "kind": LABELS}
    history = model.fit({"one": ROWS, "two": ROWS}, targets, verbose=0, callbacks=watches())
    return model, history


def generator() -> tuple[Any, Any]:
    def batches() -> Any:
        while True:
            yield ROWS[:16], LABELS[:16]

    model = dense()
    history = model.fit(
        batches(), steps_per_epoch=5, epochs=2, verbose=0, callbacks=watches(),
        validation_data=batches(), validation_steps=2,
    )  # fmt: skip
    return model, history


def nan_input() -> tuple[Any, Any]:
    rows = np.tile(ROWS, (20, 1))
    rows[-70, 2] = np.inf  # long after the dense beginning
    labels = np.tile(LABELS, 20)
    model = dense()
    return model, model.fit(rows, labels, shuffle=False, verbose=0, callbacks=watches())


def channels() -> tuple[Any, Any]:
    """Layers that pass on what they are fed, a sum among them, and a model without a graph."""

    class Open(keras.Model):  # type: ignore[misc]  # keras is untyped
        def __init__(self) -> None:
            super().__init__()
            inputs = keras.Input((8, 8, 1))
            one = layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
            summed = layers.Add(name="sum")([one, layers.Conv2D(4, 1, name="short")(inputs)])
            relu = layers.ReLU(name="relu")(summed)
            pooled = layers.MaxPooling2D(name="pool")(relu)
            self.body = keras.Model(inputs, layers.Flatten(name="flat")(pooled))
            self.drop = layers.Dropout(0.1, name="drop")
            self.head = layers.Dense(1200, name="wide")

        def call(self, x: Any) -> Any:
            return self.head(self.drop(self.body(x)))

    model = Open()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, model.fit(IMAGES, LABELS, verbose=0, callbacks=watches())


def nine() -> tuple[Any, Any]:
    """Nine observed steps, the last of which takes distributions; a kernel longer than a sample."""
    steps = 10 if keras.backend.backend() == "tensorflow" else 9
    model = keras.Sequential(
        [layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(200, activation="tanh")]
    )
    model.compile("sgd", "mse")
    rows = np.tile(IMAGES, (2, 1, 1, 1))[: steps * 32]
    targets = np.zeros((len(rows), 200), "float32")
    return model, model.fit(rows, targets, shuffle=False, verbose=0, callbacks=watches())


def nan_layer() -> tuple[Any, Any]:
    inputs = keras.Input((6,))
    hidden = layers.Dense(4)(inputs)
    hidden = layers.Lambda(lambda x: keras.ops.log(x), name="logarithm")(hidden)
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.compile("sgd", "mse")
    return model, model.fit(ROWS, ROWS[:, :1], verbose=0, callbacks=watches())


def eager() -> tuple[Any, Any]:
    model = dense(run_eagerly=True)
    return model, model.fit(ROWS, LABELS, verbose=0, callbacks=watches())


def executions() -> tuple[Any, Any]:
    steps = 1 if keras.backend.backend() == "torch" else 3
    model = dense(steps_per_execution=steps)
    history = model.fit(ROWS, LABELS, batch_size=16, epochs=2, verbose=0, callbacks=watches())
    return model, history


def crash() -> tuple[Any, Any]:
    class Stop(keras.callbacks.Callback):  # type: ignore[misc]  # keras is untyped
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 2:
                raise ValueError("stop")

    model = dense()
    try:
        model.fit(ROWS, LABELS, verbose=0, callbacks=[*watches(), Stop()])
    except ValueError:
        pass
    return model, None


def on_batch() -> tuple[Any, Any]:
    model = dense()
    handle = None
    if MODE == "on":
        from trema.adapters.keras import Watch

        handle = Watch.attach(model, dir=FOLDER, strict=True, console=False)
    for start in range(0, 192, 32):
        model.train_on_batch(ROWS[start : start + 32], LABELS[start : start + 32])
    if handle is not None:
        handle.detach()
    return model, None


def auto() -> tuple[Any, Any]:
    if MODE == "on":
        import os

        from trema.adapters.keras import auto_attach

        os.environ["TREMA_DIR"] = FOLDER
        auto_attach()
    model = dense()
    return model, model.fit(ROWS, LABELS, verbose=0, validation_split=0.1)


def width(seen: Any, layer: str) -> int:
    """How many units of a layer are told apart."""
    from trema.core.facts import Fact

    return int(seen.array(Fact.UNIT_MAX, layer)[1].shape[1])


def answer(model: Any, history: Any) -> dict[str, Any]:
    weights = b"".join(np.asarray(w).tobytes() for w in model.get_weights())
    state = b"".join(
        np.asarray(keras.ops.convert_to_numpy(v)).tobytes() for v in model.optimizer.variables
    )
    result: dict[str, Any] = {
        "weights": hashlib.sha256(weights).hexdigest(),
        "optimizer": hashlib.sha256(state).hexdigest(),
        "history": history.history if history is not None else None,
        "clean": not getattr(model.train_function, "__trema__", False)
        and not {"call", "compute_loss", "compute_metrics", "make_train_function"}
        & set(model.__dict__)
        and "apply" not in model.optimizer.__dict__,
    }
    if MODE == "on":
        from trema.core.facts import Fact
        from trema.engine import active

        session = active.current()
        assert session is not None
        segment = session.segments[-1]
        seen = segment.history
        info = segment.info
        result |= {
            "facts": sorted({f"{phase}:{fact}" for phase, fact in seen._names}),
            "names": {
                str(fact): list(seen.names(fact)) for phase, fact in seen._names if phase == "train"
            },
            "observations": [{"fact": str(o.fact), **o.data} for o in seen._observations],
            "edges": info.edges,
            "layers": [[x.name, x.kind, x.location.line if x.location else 0] for x in info.layers],
            "head": info.head,
            "shapes": {x.name: x.output_shape for x in info.layers},
            "units": {n: width(seen, n) for n in seen.names(Fact.UNIT_MAX)},
            "quantiles": {
                f"{fact}:{name}": [steps.tolist(), values.tolist()]
                for fact in (
                    Fact.ACTIVATION_QUANTILES,
                    Fact.GRADIENT_QUANTILES,
                    Fact.WEIGHT_QUANTILES,
                )
                for name in seen.names(fact)
                for steps, values in [seen.array(fact, name)]
            },
            "kernel": np.asarray(model.get_weights()[0]).ravel().tolist()[:20_000],
            "kernel_name": info.parameters[0].name if info.parameters else "",
            "inputs": info.inputs,
            "outputs": info.outputs,
            "places": {p.role: p.location.text for p in info.places},
            "rates": seen.array(next(iter(seen._names))[1].LEARNING_RATE, "0.0")[1].tolist()
            if seen._names
            else [],
            "unobserved": dict(info.unobserved),
            "steps": segment.steps,
            "epochs": segment.epochs,
            "failed": session.failed_checks,
        }
    return result


if __name__ == "__main__":
    keras.utils.set_random_seed(5)
    trained, log = globals()[CASE]()
    print("RESULT", json.dumps(answer(trained, log)))
