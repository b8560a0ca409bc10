"""Two rings; the network is described by a file."""

import json
import pathlib

import keras
from sklearn.datasets import make_circles
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(3)
config = json.loads(pathlib.Path("network.json").read_text())


def build(config):
    inputs = keras.Input((2,))
    x = inputs
    for layer in config["layers"]:
        x = keras.layers.Dense(layer["units"], activation=layer.get("activation"))(x)
    outputs = keras.layers.Dense(1, activation="sigmoid")(x)
    return keras.Model(inputs, outputs)


points, ring = make_circles(1200, noise=0.1, factor=0.5, random_state=3)
x_fit, x_val, y_fit, y_val = train_test_split(points, ring, test_size=0.25, random_state=3)
model = build(config)
model.compile(
    optimizer=keras.optimizers.Adam(config["learning_rate"]),
    loss=keras.losses.BinaryCrossentropy(),
    metrics=[keras.metrics.BinaryAccuracy(name="acc")],
)
model.fit(
    x_fit,
    y_fit,
    validation_data=(x_val, y_val),
    batch_size=config["batch_size"],
    epochs=config["epochs"],
    verbose=2,
)
