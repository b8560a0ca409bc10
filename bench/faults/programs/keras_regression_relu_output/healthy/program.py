"""Standardized house prices."""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(107)
houses = np.loadtxt("houses.csv", delimiter=",", skiprows=1)
fit, held = houses[:1700], houses[1700:]
mean, std = fit.mean(axis=0), fit.std(axis=0)
fit, held = (fit - mean) / std, (held - mean) / std

model = keras.Sequential(
    [
        keras.Input((8,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(16, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer="adam", loss="mse", metrics=["mae"])
model.fit(
    fit[:, :8],
    fit[:, 8],
    epochs=10,
    batch_size=34,
    validation_data=(held[:, :8], held[:, 8]),
    verbose=2,
)
