import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(115)
rows = np.loadtxt("houses.csv", delimiter=",", skiprows=1)
x, dollars = rows[:, :-1], rows[:, -1]
target = dollars
normalize = layers.Normalization()
normalize.adapt(x[:1700])

house = keras.Input((8,))
h = layers.Dense(24, activation="relu")(normalize(house))
value = layers.Dense(1)(h)
model = keras.Model(house, value)
model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
model.fit(
    x[:1700],
    target[:1700],
    epochs=8,
    batch_size=34,
    validation_data=(x[1700:], target[1700:]),
    verbose=2,
)
