import json

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(305)
with open("coder.json") as file:
    coder = json.load(file)
z = np.load("mnist.npz")
x, u = (z[k].reshape(-1, 784).astype("float32") / 255 for k in ("x_train", "x_test"))
image = keras.Input((784,))
code = layers.Dense(coder["code"], name="code")(layers.Dense(64, **coder["layer"])(image))
again = layers.Dense(784, activation="sigmoid")(layers.Dense(64, **coder["layer"])(code))
model = keras.Model(image, again)
model.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy")
model.fit(x, x, epochs=6, batch_size=30, validation_data=(u, u), verbose=2)
