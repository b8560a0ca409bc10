"""Mood of reviews, word by word."""

import keras
import numpy as np

keras.utils.set_random_seed(117)
text = np.load("imdb.npz")
words = keras.Input((40,), dtype="int32")
v = keras.layers.Embedding(2000, 16, mask_zero=True)(words)
grow = keras.initializers.Orthogonal(gain=2.0)
v = keras.layers.SimpleRNN(24, activation="relu", recurrent_initializer=grow)(v)
mood = keras.layers.Dense(1, activation="sigmoid")(v)
net = keras.Model(words, mood)
net.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy", metrics=["accuracy"])
net.fit(
    text["x_train"],
    text["y_train"],
    validation_data=(text["x_test"], text["y_test"]),
    epochs=3,
    batch_size=60,
    verbose=2,
)
