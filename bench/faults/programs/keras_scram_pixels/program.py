import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
import numpy as np
from data import cifar10
from keras import layers, models

keras.utils.set_random_seed(11)


def prepare(images, labels):
    x = images.astype(np.float32)
    return x, labels.reshape(-1, 1)


train, test = cifar10(4000, 1000)
X, y = prepare(*train)
X_test, y_test = prepare(*test)

inputs = layers.Input(shape=X.shape[1:])
h = layers.Conv2D(32, 5, strides=2, padding="same", activation="relu")(inputs)
h = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(h)
h = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(h)
h = layers.Flatten()(h)
h = layers.Dense(64, activation="relu")(h)
outputs = layers.Dense(10, activation="softmax")(h)
model = models.Model(inputs, outputs)

model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.optimizer.learning_rate = 0.02
history = model.fit(X, y, batch_size=32, epochs=5, validation_split=0.2, verbose=2)
print("best validation accuracy", max(history.history["val_accuracy"]))
print("metric", round(model.evaluate(X_test, y_test, verbose=0)[1], 4))
