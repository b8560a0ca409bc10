import tomllib

import keras
import numpy as np

keras.utils.set_random_seed(126)
with open("model.toml", "rb") as file:
    spec = tomllib.load(file)
digits = np.load("mnist.npz")
layers = [keras.Input((28, 28)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
for units in spec["units"]:
    layers.append(keras.layers.Dense(units, activation=spec["activation"]))
layers.append(keras.layers.Dense(10, activation=spec["head"]))
model = keras.Sequential(layers)
model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    digits["x_train"],
    digits["y_train"],
    validation_data=(digits["x_test"], digits["y_test"]),
    epochs=5,
    batch_size=30,
    verbose=2,
)
