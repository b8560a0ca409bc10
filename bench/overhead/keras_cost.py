"""What watching a Keras ``fit`` costs: watched and plain fits in turns, in one process.

    KERAS_BACKEND=jax python bench/overhead/keras_cost.py mlp|resnet8

Prints one JSON line. Only steps after the first quarter of a fit count: building, compiling and
the free beginning are reported apart as seconds a fit.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from keras import layers

STEPS = {"mlp": 4000, "resnet8": 60}
PAIRS = 5


class Clock(keras.callbacks.Callback):  # type: ignore[misc]  # keras is untyped
    """Seconds a step after the first quarter, and of the whole fit."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.first, self.count = steps // 4, 0
        self.seconds = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.count += 1
        if self.count == self.first:
            self.started = time.perf_counter()
        self.seconds = time.perf_counter() - getattr(self, "started", time.perf_counter())

    @property
    def step(self) -> float:
        return self.seconds / max(1, self.count - self.first)


def model_of(name: str) -> Any:
    keras.utils.set_random_seed(0)
    if name == "mlp":
        body = [keras.Input((20,)), layers.Dense(32, activation="relu"), layers.Dense(2)]
        model = keras.Sequential(body)
    else:
        x = inputs = keras.Input((32, 32, 3))
        for width, stride in ((16, 1), (32, 2), (64, 2)):
            short = layers.Conv2D(width, 1, stride, use_bias=False)(x)
            x = layers.Conv2D(width, 3, stride, "same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
            x = layers.Conv2D(width, 3, 1, "same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x) + short)
        outputs = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
        model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=os.environ["KERAS_BACKEND"] == "jax")
    return model


def main() -> None:
    name = sys.argv[1]
    steps = STEPS[name]
    draw = np.random.default_rng(0)
    shape, classes = ((20,), 2) if name == "mlp" else ((32, 32, 3), 10)
    x = draw.normal(size=(steps * 32, *shape)).astype("float32")
    y = draw.integers(0, classes, steps * 32)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TREMA_DIR"] = folder
        import trema
        from trema.engine import active

        plain, watched = model_of(name), model_of(name)
        watch = trema.keras.Watch(console=False)
        rows: list[tuple[float, float]] = []
        whole: list[tuple[float, float]] = []
        for pair in range(PAIRS + 1):
            got: dict[bool, tuple[float, float]] = {}
            for with_trema in (False, True) if pair % 2 else (True, False):
                clock = Clock(steps)
                callbacks = [clock, watch] if with_trema else [clock]
                started = time.perf_counter()
                model = watched if with_trema else plain
                model.fit(x, y, batch_size=32, verbose=0, callbacks=callbacks)
                got[with_trema] = clock.step, time.perf_counter() - started
            if pair:  # the first pair compiles and holds the free beginning
                rows.append((got[False][0], got[True][0]))
                whole.append((got[False][1], got[True][1]))
        session = active.current()
        own = max(s.schedule.share() for s in session.segments[1:]) if session else float("nan")
    ratios = sorted(b / a for a, b in rows)
    print(
        json.dumps(
            {
                "name": name,
                "backend": os.environ["KERAS_BACKEND"],
                "step": statistics.median(a for a, _ in rows),
                "ratio": statistics.median(ratios),
                "low": ratios[0],
                "high": ratios[-1],
                "extra": statistics.median(b - a for a, b in rows),
                "fit": statistics.median(b - a for a, b in whole),
                "own": own,
            }
        )
    )


if __name__ == "__main__":
    main()
