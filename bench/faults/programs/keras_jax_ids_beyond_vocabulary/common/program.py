import json
from pathlib import Path

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(125)
settings = json.loads(Path("settings.json").read_text())
z = np.load("imdb.npz")
model = keras.Sequential(
    [
        keras.Input((60,), dtype="int32"),
        layers.Embedding(settings["vocabulary"], settings["size"]),
        layers.GlobalMaxPooling1D(),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(keras.optimizers.Adam(5e-3), "binary_crossentropy", metrics=["accuracy"])
model.fit(
    z["x_train"],
    z["y_train"],
    epochs=settings["epochs"],
    batch_size=32,
    validation_data=(z["x_test"], z["y_test"]),
    verbose=2,
)
