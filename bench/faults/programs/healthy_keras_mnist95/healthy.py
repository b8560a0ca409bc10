import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
from data import mnist
from keras import layers

keras.utils.set_random_seed(12)
num_classes = 10

(x_train, y_train), (x_test, y_test) = mnist(6000, 1000)
x_train = x_train.astype("float32").reshape(-1, 28, 28, 1) / 255
x_test = x_test.astype("float32").reshape(-1, 28, 28, 1) / 255
y_train = keras.utils.to_categorical(y_train, num_classes)
y_test = keras.utils.to_categorical(y_test, num_classes)

model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        layers.Conv2D(16, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Flatten(),
        layers.Dropout(0.4),
        layers.Dense(num_classes, activation="softmax"),
    ]
)
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=64, epochs=6, validation_split=0.15, verbose=2)
score = model.evaluate(x_test, y_test, verbose=0)
print("metric", round(score[1], 4))
