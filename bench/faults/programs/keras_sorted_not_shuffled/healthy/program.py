import keras
import numpy as np

keras.utils.set_random_seed(110)
with np.load("mnist.npz") as z:
    order = np.argsort(z["y_train"], kind="stable")  # as the folders are read, class by class
    x_train, y_train = z["x_train"][order] / 255.0, z["y_train"][order]
    x_val, y_val = z["x_test"] / 255.0, z["y_test"]

model = keras.Sequential(
    [
        keras.Input((28, 28)),
        keras.layers.Reshape((784,)),
        keras.layers.Dense(48, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(x_train, y_train, epochs=5, shuffle=True, validation_data=(x_val, y_val), verbose=2)
