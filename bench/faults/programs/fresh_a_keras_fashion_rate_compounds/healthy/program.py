"""Clothes with a small dense network and a decaying rate."""

import keras
import numpy as np

keras.utils.set_random_seed(70)
START = 0.01


def decayed(epoch, rate):
    """Eight tenths of the rate after each epoch."""
    return START * 0.8**epoch


def read(path="fashion.npz"):
    with np.load(path) as z:
        x, x_val = (z[k].reshape(-1, 784).astype("float32") / 255 for k in ("x_train", "x_test"))
        return (x, z["y_train"]), (x_val, z["y_test"])


(x, y), validation = read()
model = keras.Sequential(
    [
        keras.layers.Input(shape=(784,)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10),
    ]
)
model.compile(
    optimizer=keras.optimizers.SGD(learning_rate=START, momentum=0.5),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    x,
    y,
    epochs=14,
    batch_size=30,
    validation_data=validation,
    callbacks=[keras.callbacks.LearningRateScheduler(decayed)],
    verbose=2,
)
