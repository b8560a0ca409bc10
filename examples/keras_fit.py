"""A Keras fit with a bug: the loss reads probabilities, but the model gives logits.

KERAS_BACKEND=torch python examples/keras_fit.py
"""

import keras
import numpy as np

import trema

keras.utils.set_random_seed(0)
draw = np.random.default_rng(0)
y = np.arange(1024) % 3
x = draw.normal(size=(1024, 16)).astype("float32") + y[:, None].astype("float32")

model = keras.Sequential(
    [
        keras.layers.Input((16,)),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(3),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
watch = trema.keras.Watch()
model.fit(x, y, epochs=3, validation_split=0.2, verbose=2, callbacks=[watch])
