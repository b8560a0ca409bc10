import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(118)
z = np.load("fashion.npz")
x = z["x_train"].reshape(-1, 784) / 127.5 - 1
x_val = z["x_test"].reshape(-1, 784) / 127.5 - 1

encoder = keras.Sequential(
    [keras.Input((784,)), layers.Dense(64, activation="relu"), layers.Dense(16)]
)
decoder = keras.Sequential([keras.Input((16,)), layers.Dense(64, activation="relu")])
decoder.add(layers.Dense(784, activation="sigmoid"))
whole = keras.Sequential([encoder, decoder])
whole.compile(optimizer="adam", loss="mse")
whole.fit(x, x, epochs=6, batch_size=30, validation_data=(x_val, x_val), verbose=2)
