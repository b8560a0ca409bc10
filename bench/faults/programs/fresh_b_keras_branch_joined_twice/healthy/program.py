"""House values from two views of a block: where it lies, and who lives there."""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(14)
blocks = np.loadtxt("california.csv", delimiter=",", skiprows=1)
blocks = (blocks - blocks.mean(axis=0)) / blocks.std(axis=0)
place, people, value = blocks[:, :3], blocks[:, 3:8], blocks[:, 8]

place_in = keras.Input((3,), name="place")
people_in = keras.Input((5,), name="people")
place_branch = layers.Dense(16, activation="relu")(place_in)
people_branch = layers.Dense(16, activation="relu")(people_in)
joined = layers.Concatenate()([place_branch, people_branch])
joined = layers.Dense(16, activation="relu")(joined)
model = keras.Model([place_in, people_in], layers.Dense(1)(joined))

model.compile(keras.optimizers.Adam(5e-3), loss="mse", metrics=["mae"])
model.fit(
    [place, people],
    value,
    validation_split=0.2,
    epochs=8,
    batch_size=50,
    verbose=2,
)
