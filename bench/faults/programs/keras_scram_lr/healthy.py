"""Sentiment of film reviews: averaged word embeddings and a small classifier."""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
from data import imdb

keras.utils.set_random_seed(42)
vocab_size, maxlen = 5000, 120

(x_train, y_train), (x_test, y_test) = imdb(4000, 1000, maxlen, vocab_size)
partial_x, partial_y = x_train[800:], y_train[800:]
x_val, y_val = x_train[:800], y_train[:800]

model = keras.Sequential()
model.add(keras.layers.Embedding(vocab_size, 16))
model.add(keras.layers.GlobalAveragePooling1D())
model.add(keras.layers.Dense(16, activation="relu"))
model.add(keras.layers.Dense(1, activation="sigmoid"))

optimizer = keras.optimizers.Adam(learning_rate=0.005)
model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])

model.fit(partial_x, partial_y, epochs=3, batch_size=64, validation_data=(x_val, y_val), verbose=2)
results = model.evaluate(x_test, y_test, verbose=0)
print("metric", round(results[1], 4))
