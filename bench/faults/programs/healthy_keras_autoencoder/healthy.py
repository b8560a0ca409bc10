import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
from data import mnist
from keras import layers

keras.utils.set_random_seed(9)
(x_train, _), (x_test, _) = mnist(4000, 500)
x_train = x_train[..., None].astype("float32") / 255
x_test = x_test[..., None].astype("float32") / 255

encoder = keras.Sequential(
    [
        layers.Input((28, 28, 1)),
        layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dense(24, name="code"),
    ],
    name="encoder",
)
decoder = keras.Sequential(
    [
        layers.Input((24,)),
        layers.Dense(7 * 7 * 16, activation="relu"),
        layers.Reshape((7, 7, 16)),
        layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid"),
    ],
    name="decoder",
)
image = layers.Input((28, 28, 1))
autoencoder = keras.Model(image, decoder(encoder(image)))
autoencoder.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mse")
autoencoder.fit(
    x_train, x_train, epochs=5, batch_size=40, validation_data=(x_test, x_test), verbose=2
)
print("metric", round(float(autoencoder.evaluate(x_test, x_test, verbose=0)), 5))
