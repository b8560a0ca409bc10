import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
import numpy as np
from data import mnist
from keras import layers

keras.utils.set_random_seed(23)


def properties(digits):
    """Four questions about a digit: even, five or more, prime, drawn with a closed loop."""
    columns = [digits % 2 == 0, digits >= 5]
    columns += [np.isin(digits, [2, 3, 5, 7]), np.isin(digits, [0, 6, 8, 9])]
    return np.stack(columns, axis=1).astype("float32")


(x_train, d_train), (x_test, d_test) = mnist(5000, 1000)
x_train = x_train.reshape(-1, 784).astype("float32") / 255
x_test = x_test.reshape(-1, 784).astype("float32") / 255
y_train, y_test = properties(d_train), properties(d_test)

inputs = keras.Input((784,))
hidden = layers.Dense(64, activation="relu")(inputs)
hidden = layers.Dropout(0.2)(hidden)
outputs = layers.Dense(4, activation="sigmoid")(hidden)
model = keras.Model(inputs, outputs)
model.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss="binary_crossentropy",
    metrics=[keras.metrics.BinaryAccuracy(name="accuracy")],
)
model.fit(x_train, y_train, epochs=6, batch_size=64, validation_split=0.1, verbose=2)
print("metric", round(model.evaluate(x_test, y_test, verbose=0)[1], 4))
