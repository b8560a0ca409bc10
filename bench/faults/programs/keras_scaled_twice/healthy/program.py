import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(119)
box = np.load("mnist.npz")
x = box["x_train"].astype("float32")[..., np.newaxis]
x_val = box["x_test"].astype("float32")[..., np.newaxis]

model = keras.Sequential([keras.Input((28, 28, 1))])
model.add(layers.Rescaling(1 / 255))
model.add(layers.Conv2D(8, 5, strides=2, activation="relu"))
model.add(layers.Flatten())
model.add(layers.Dense(32, activation="relu"))
model.add(layers.Dense(10, activation="softmax"))
model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    x, box["y_train"], epochs=6, batch_size=25, validation_data=(x_val, box["y_test"]), verbose=2
)
