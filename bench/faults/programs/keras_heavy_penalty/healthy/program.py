import keras
import numpy as np
from keras import layers, regularizers

keras.utils.set_random_seed(116)
z = np.load("fashion.npz")
penalty = regularizers.L2(1e-4)
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(12, 5, strides=3, activation="relu", kernel_regularizer=penalty),
        layers.Flatten(),
        layers.Dense(10, activation="softmax", kernel_regularizer=penalty),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    z["x_train"][..., None],
    z["y_train"],
    epochs=5,
    batch_size=32,
    validation_data=(z["x_test"][..., None], z["y_test"]),
    verbose=2,
)
