import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
import numpy as np
from data import fashion
from keras import layers

keras.utils.set_random_seed(1)

(train_images, train_labels), (test_images, test_labels) = fashion(6000, 1000)
train_images = np.expand_dims(train_images, -1) / np.float32(255)
test_images = np.expand_dims(test_images, -1) / np.float32(255)
val_images, val_labels = train_images[-1000:], train_labels[-1000:]
train_images, train_labels = train_images[:400], train_labels[:400]

model = keras.Sequential(
    [
        layers.Input((28, 28, 1)),
        layers.Flatten(),
        layers.Dense(1024, activation="relu"),
        layers.Dense(1024, activation="relu"),
        layers.Dense(512, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.summary()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    train_images,
    train_labels,
    epochs=30,
    batch_size=64,
    validation_data=(val_images, val_labels),
    verbose=2,
)
test_loss, test_accuracy = model.evaluate(test_images, test_labels, verbose=0)
print("test loss", test_loss)
print("metric", round(test_accuracy, 4))
