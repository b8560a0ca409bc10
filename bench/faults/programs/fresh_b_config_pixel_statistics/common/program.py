import json

import keras
import numpy as np

keras.utils.set_random_seed(77)

with open("settings.json") as f:
    settings = json.load(f)

with np.load("mnist.npz") as arrays:
    x_train, y_train = arrays["x_train"], arrays["y_train"]
    x_test, y_test = arrays["x_test"], arrays["y_test"]


def preprocess(images, statistics):
    scaled = images.astype("float32") / 255.0
    return (scaled[..., None] - statistics["mean"]) / statistics["std"]


x_train = preprocess(x_train, settings["pixels"])
x_test = preprocess(x_test, settings["pixels"])

model = keras.Sequential(
    [
        keras.layers.Input((28, 28, 1)),
        keras.layers.Conv2D(8, 5, strides=2, activation="relu"),
        keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10),
    ]
)
model.compile(
    optimizer=keras.optimizers.SGD(settings["rate"], momentum=0.9),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    x_train,
    y_train,
    epochs=settings["epochs"],
    batch_size=40,
    validation_data=(x_test, y_test),
    verbose=2,
)
