"""Is it a shoe?"""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(218)
z = np.load("fashion.npz")
model = keras.Sequential(
    [
        keras.Input((28, 28)),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(24, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(keras.optimizers.Adam(5e-4), "binary_crossentropy", metrics=["accuracy"])
model.fit(
    z["x_train"],
    z["y_train"],
    batch_size=40,
    epochs=4,
    validation_data=(z["x_test"], z["y_test"]),
    verbose=2,
)
