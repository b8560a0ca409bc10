import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
import numpy as np
from data import mnist
from keras import layers

keras.utils.set_random_seed(6)
(x_train, y_train), (x_test, y_test) = mnist(5000, 1000)
mean, std = x_train.mean(), x_train.std()
x_train = (x_train.reshape(len(x_train), -1) - mean) / std
x_test = (x_test.reshape(len(x_test), -1) - mean) / std

model = keras.Sequential(
    [
        layers.Input((784,)),
        layers.Dense(48, activation="relu"),
        layers.Dense(48, activation="relu"),
        layers.Dense(10),
    ]
)
model.compile(
    optimizer=keras.optimizers.SGD(0.1, momentum=0.5),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    x_train[:4200],
    y_train[:4200],
    batch_size=64,
    epochs=3,
    validation_data=(x_train[4200:], y_train[4200:]),
    verbose=2,
)
logits = model.predict(x_test, verbose=0)
print("metric", round(float(np.mean(logits.argmax(-1) == y_test)), 4))
