"""VGG16 from scratch on a few CIFAR-10 images."""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
from data import cifar10
from keras.applications import VGG16

N_TRAIN = 128

keras.utils.set_random_seed(21)

(x_train, y_train), (x_test, y_test) = cifar10(228, 100)
x_train = x_train.astype("float32") / 127.5 - 1
x_test = x_test.astype("float32") / 127.5 - 1
val_images, val_labels = x_train[N_TRAIN:], y_train[N_TRAIN:]

model = VGG16(
    weights=None,
    input_shape=(32, 32, 3),
    classes=10,
    classifier_activation="softmax",
)
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=1e-4),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
)
model.fit(
    x_train[:N_TRAIN],
    y_train[:N_TRAIN],
    batch_size=16,
    epochs=2,
    validation_data=(val_images, val_labels),
    verbose=2,
)
test_loss, test_accuracy = model.evaluate(x_test, y_test, verbose=0)
print("accuracy", test_accuracy)
print("metric", round(test_loss, 4))
