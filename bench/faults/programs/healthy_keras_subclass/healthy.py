import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
from data import cifar10
from keras import layers


class SmallNet(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = layers.Conv2D(24, 3, strides=2, activation="relu")
        self.conv2 = layers.Conv2D(48, 3, strides=2, activation="relu")
        self.flat = layers.Flatten()
        self.hidden = layers.Dense(64, activation="relu")
        self.dropout = layers.Dropout(0.2)
        self.classifier = layers.Dense(classes)

    def call(self, x, training=False):
        x = self.conv2(self.conv1(x))
        x = self.hidden(self.flat(x))
        x = self.dropout(x, training=training)
        return keras.ops.softmax(self.classifier(x))


keras.utils.set_random_seed(99)
(x, y), (x_test, y_test) = cifar10(3500, 1000)
x = (x / 255.0 - 0.47).astype("float32") * 4
x_test = (x_test / 255.0 - 0.47).astype("float32") * 4

model = SmallNet(10)
model.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(x[:3000], y[:3000], epochs=4, validation_data=(x[3000:], y[3000:]), verbose=2)
print("metric", round(model.evaluate(x_test, y_test, verbose=0)[1], 4))
