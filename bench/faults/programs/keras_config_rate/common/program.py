import json

import keras
import numpy as np

with open("hyper.json") as file:
    hyper = json.load(file)
keras.utils.set_random_seed(127)
x = np.loadtxt("patients.csv", delimiter=",", skiprows=1)
x[:, 1:6] = np.where(x[:, 1:6] == 0, np.median(x[:, 1:6], axis=0), x[:, 1:6])
x = x[np.random.default_rng(127).permutation(len(x))]
x[:, :8] = (x[:, :8] - x[:600, :8].mean(0)) / x[:600, :8].std(0)
inputs = keras.Input((8,))
outputs = keras.layers.Dense(1, activation="sigmoid")(
    keras.layers.Dense(hyper["units"], activation="tanh")(inputs)
)
model = keras.Model(inputs, outputs)
model.compile(
    optimizer=keras.optimizers.Adam(hyper["learning_rate"]),
    loss="binary_crossentropy",
    metrics=["accuracy"],
)
model.fit(
    x[:600, :8],
    x[:600, 8],
    batch_size=hyper["batch_size"],
    epochs=hyper["epochs"],
    validation_data=(x[600:, :8], x[600:, 8]),
    verbose=2,
)
