import keras
import numpy as np
from schedules import halving

keras.utils.set_random_seed(129)
z = np.load("fashion.npz")
model = keras.Sequential(
    [
        keras.Input((28, 28)),
        keras.layers.Rescaling(1 / 255, offset=-0.3),
        keras.layers.Flatten(),
        keras.layers.Dense(72, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    z["x_train"],
    z["y_train"],
    batch_size=40,
    epochs=5,
    validation_data=(z["x_test"], z["y_test"]),
    callbacks=[halving(2e-3, every=2)],
    verbose=2,
)
