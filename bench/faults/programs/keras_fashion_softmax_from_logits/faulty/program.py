"""Dresses, coats, boots: a small dense network."""

import keras
import numpy as np

keras.utils.set_random_seed(103)
data = np.load("fashion.npz")
scale = keras.layers.Rescaling(1 / 127.5, offset=-1)
model = keras.Sequential(
    [
        keras.Input((28, 28)),
        scale,
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="gelu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(loss=loss, optimizer=keras.optimizers.SGD(0.05, momentum=0.9), metrics=["accuracy"])
history = model.fit(
    data["x_train"],
    data["y_train"],
    epochs=5,
    batch_size=50,
    validation_data=(data["x_test"], data["y_test"]),
    verbose=0,
)
print(history.history)
