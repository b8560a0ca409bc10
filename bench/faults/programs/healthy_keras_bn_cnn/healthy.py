import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
from data import cifar10
from keras import layers

keras.utils.set_random_seed(0)

(x, y), (x_test, y_test) = cifar10(3000, 1000)
mean, std = x.mean(axis=(0, 1, 2)), x.std(axis=(0, 1, 2))
x = ((x - mean) / std).astype("float32")
x_test = ((x_test - mean) / std).astype("float32")


def conv_block(filters, strides=1):
    return [
        layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.Activation("relu"),
    ]


model = keras.Sequential(
    [
        layers.Input((32, 32, 3)),
        *conv_block(16),
        *conv_block(32, strides=2),
        *conv_block(64, strides=2),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    x[:2400], y[:2400], validation_data=(x[2400:], y[2400:]), epochs=5, batch_size=32, verbose=2
)
_, accuracy = model.evaluate(x_test, y_test, verbose=0)
print("metric", round(accuracy, 4))
