import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(113)
reviews = np.load("imdb.npz")
model = keras.Sequential(
    [
        keras.Input((60,), dtype="int32"),
        layers.Embedding(2000, 24),
        layers.GlobalAveragePooling1D(),
        layers.Dense(16, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]
)
optimizer = keras.optimizers.Adam(learning_rate=2.5e-3)
model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
model.fit(
    reviews["x_train"],
    reviews["y_train"],
    validation_data=(reviews["x_test"], reviews["y_test"]),
    epochs=4,
    batch_size=32,
    verbose=2,
)
