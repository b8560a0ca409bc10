"""Train a bag of embeddings on film reviews; fit.json goes to fit() as it is."""

import json

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(33)
arrays = np.load("imdb.npz")
generator = np.random.default_rng(33)


def batches(x, y, size):
    """Shuffled batches for ever."""
    while True:
        order = generator.permutation(len(x))
        for start in range(0, len(x) - size + 1, size):
            rows = order[start : start + size]
            yield x[rows], y[rows]


tokens = keras.Input((80,), dtype="int32")
x = layers.Embedding(4000, 24)(tokens)
x = layers.GlobalAveragePooling1D()(x)
x = layers.Dropout(0.2)(x)
model = keras.Model(tokens, layers.Dense(1, activation="sigmoid")(x))
model.compile(
    optimizer=keras.optimizers.Adam(0.005), loss="binary_crossentropy", metrics=["accuracy"]
)
with open("fit.json") as file:
    options = json.load(file)
model.fit(
    batches(arrays["x_train"], arrays["y_train"].astype("float32")[:, None], 16),
    validation_data=(arrays["x_test"], arrays["y_test"].astype("float32")[:, None]),
    **options,
)
