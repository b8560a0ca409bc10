"""Seven-layer convolutional network on CIFAR-10."""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
from data import cifar10
from keras import layers

keras.utils.set_random_seed(7)

(x_train, y_train), (x_test, y_test) = cifar10(3000, 1000)
x_train = x_train.astype("float32") / 255.0
x_test = x_test.astype("float32") / 255.0
x_val, y_val = x_train[2500:], y_train[2500:]
x_train, y_train = x_train[:2500], y_train[:2500]

model = keras.Sequential(
    [
        keras.Input(shape=(32, 32, 3)),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.3),
        layers.Dense(10),
    ]
)

model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=1e-3),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(
    x_train,
    y_train,
    batch_size=64,
    epochs=4,
    validation_data=(x_val, y_val),
    verbose=2,
)

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print("metric", round(accuracy, 4))
