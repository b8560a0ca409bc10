import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
import numpy as np
from data import fashion
from keras import layers


def residual(x, filters, stride=1):
    shortcut = x
    x = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    if stride > 1 or shortcut.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, stride, use_bias=False)(shortcut)
        shortcut = layers.BatchNormalization(momentum=0.8)(shortcut)
    return layers.ReLU()(layers.add([x, shortcut]))


def resnet18(width=16, classes=10):
    inputs = keras.Input((32, 32, 1))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(width, 3, 2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.ReLU()(x)
    for stage in range(4):
        x = residual(x, width * 2**stage, stride=1 if stage == 0 else 2)
        x = residual(x, width * 2**stage)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x), name="resnet18")


keras.utils.set_random_seed(13)
(train_x, train_y), (test_x, test_y) = fashion(4200, 500)
train_x = np.pad(train_x, ((0, 0), (2, 2), (2, 2)))[..., np.newaxis]
test_x = np.pad(test_x, ((0, 0), (2, 2), (2, 2)))[..., np.newaxis]
val_x, val_y = train_x[3600:], train_y[3600:]
train_x, train_y = train_x[:3600], train_y[:3600]
model = resnet18()
model.compile(
    optimizer=keras.optimizers.Adam(3e-4),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(train_x, train_y, batch_size=64, epochs=2, validation_data=(val_x, val_y), verbose=2)
print("metric", round(model.evaluate(test_x, test_y, verbose=0)[1], 4))
