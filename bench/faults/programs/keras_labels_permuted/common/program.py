import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(123)
with np.load("fashion.npz") as z:
    train = z["x_train"][..., None].astype("float32") / 255, z["y_train"]
    val = z["x_test"][..., None].astype("float32") / 255, z["y_test"]

model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(8, 3, strides=2),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(48, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(*train, epochs=6, batch_size=30, validation_data=val, verbose=2)
