"""Forged banknotes, in the precision that the machine's file asks for."""

import json

import keras
import numpy as np
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(47)
with open("precision.json") as file:
    keras.config.set_dtype_policy(json.load(file)["policy"])

notes = np.loadtxt("notes.csv", delimiter=",", skiprows=1, dtype="float32")
x, y = notes[:, :4], notes[:, 4:]
x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, random_state=47)
normalize = (x_train.mean(0), x_train.std(0))
x_train, x_val = ((part - normalize[0]) / normalize[1] for part in (x_train, x_val))

model = keras.Sequential(
    [
        keras.layers.Input((4,)),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(1, dtype="float32"),
    ]
)
optimizer = keras.optimizers.Adam(learning_rate=0.003)
model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True), metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=32, epochs=8, validation_data=(x_val, y_val), verbose=2)
