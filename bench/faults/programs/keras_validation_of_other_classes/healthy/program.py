import keras
import numpy as np
from sklearn.datasets import load_digits

keras.utils.set_random_seed(111)
digits = load_digits()
order = np.random.default_rng(111).permutation(len(digits.target))
x, y = digits.images[order] / 16.0, digits.target[order]

model = keras.Sequential()
model.add(keras.Input((8, 8)))
model.add(keras.layers.Flatten())
model.add(keras.layers.Dense(40, activation="selu", kernel_initializer="lecun_normal"))
model.add(keras.layers.Dense(10, activation="softmax"))
model.compile(optimizer="nadam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=24, epochs=8, validation_split=0.2, verbose=2)
