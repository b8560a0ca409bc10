import keras
import numpy as np
from blocks import block

keras.utils.set_random_seed(130)
z = np.load("fashion.npz")


def flat(name):
    return z[name].reshape(len(z[name]), -1).astype("float32") / 255


net = keras.Sequential(
    [
        keras.Input((784,)),
        *block(128, activation="relu"),
        *block(64, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
net.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
net.fit(
    flat("x_train"),
    z["y_train"],
    epochs=5,
    batch_size=32,
    validation_data=(flat("x_test"), z["y_test"]),
    verbose=2,
)
