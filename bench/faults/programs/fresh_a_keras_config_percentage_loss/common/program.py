import json

import keras
import numpy as np
from keras import layers
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

keras.utils.set_random_seed(4)
with open("experiment.json") as f:
    experiment = json.load(f)
training = experiment["training"]

table = np.loadtxt("homes.csv", delimiter=",", skiprows=1)
train, val = train_test_split(table, test_size=0.2, random_state=4)
scaler = StandardScaler().fit(train)
train, val = scaler.transform(train), scaler.transform(val)


def build(units, activation):
    inputs = keras.Input((8,))
    x = inputs
    for width in units:
        x = layers.Dense(width, activation=activation)(x)
    return keras.Model(inputs, layers.Dense(1)(x))


model = build(**experiment["model"])
model.compile(
    optimizer=keras.optimizers.Adam(training["learning_rate"]),
    loss=training["loss"],
    metrics=["mae", "r2_score"],
)
model.fit(
    train[:, :8],
    train[:, 8:],
    batch_size=training["batch_size"],
    epochs=training["epochs"],
    validation_data=(val[:, :8], val[:, 8:]),
    verbose=2,
)
