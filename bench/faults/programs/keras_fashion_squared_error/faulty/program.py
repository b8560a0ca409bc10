import keras
import numpy as np

keras.utils.set_random_seed(105)
archive = np.load("fashion.npz")
x_train, x_val = (
    archive["x_train"].astype("float32") / 255,
    archive["x_test"].astype("float32") / 255,
)
y_train, y_val = archive["y_train"], archive["y_test"]

image = keras.Input((28, 28))
flat = keras.layers.Flatten()(image)
hidden = keras.layers.Dense(80, activation="elu")(flat)
kind = keras.layers.Dense(1)(hidden)
model = keras.Model(image, kind)
model.compile(optimizer=keras.optimizers.Adam(4e-4), loss="mse", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=5, batch_size=45, validation_data=(x_val, y_val), verbose=2)
