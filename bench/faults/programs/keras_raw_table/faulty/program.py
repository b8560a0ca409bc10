import keras
import numpy as np
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(114)
blocks = np.loadtxt("houses.csv", delimiter=",", skiprows=1)
features, price = blocks[:, :8], blocks[:, 8] / 100_000
a, b, p, q = train_test_split(features, price, test_size=0.25, random_state=114)

model = keras.Sequential(
    [
        keras.Input((8,)),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(1),
    ]
)
model.compile(optimizer="adam", loss=keras.losses.Huber(), metrics=["mae"])
model.fit(a, p, batch_size=32, epochs=8, validation_data=(b, q), verbose=2)
