import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(102)
with np.load("mnist.npz") as file:
    x, y = file["x_train"][..., None] / 255.0, file["y_train"]
    x_val, y_val = file["x_test"][..., None] / 255.0, file["y_test"]

inputs = keras.Input((28, 28, 1))
h = layers.Conv2D(8, 5, strides=2, activation="relu")(inputs)
h = layers.Conv2D(16, 3, strides=2, activation="relu")(h)
h = layers.Flatten()(h)
scores = layers.Dense(10)(h)
model = keras.Model(inputs, scores)
model.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["sparse_categorical_accuracy"],
)
model.fit(x, y, validation_data=(x_val, y_val), batch_size=32, epochs=4, verbose=2)
