import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
import numpy as np
from data import fashion

keras.utils.set_random_seed(2)
(x, y), (x_test, y_test) = fashion(4000, 1000)
x, x_test = x / 255.0, x_test / 255.0

model = keras.Sequential(
    [
        keras.layers.Flatten(input_shape=(28, 28)),
        keras.layers.Dense(100, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
model.fit(x, y, epochs=5, verbose=2)
predicted = np.argmax(model.predict(x_test, verbose=0), axis=1)
print("metric", round(float(np.mean(predicted == y_test)), 4))
