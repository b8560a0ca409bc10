import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(220)
files = np.load("imdb.npz")
text = keras.Input((60,), dtype="int64")
vectors = layers.Embedding(2000, 20)(text)
pooled = layers.GlobalMaxPooling1D()(vectors)
out = layers.Dense(1, activation="sigmoid")(layers.Dropout(0.2)(pooled))
model = keras.Model(text, out)
model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy", metrics=["accuracy"])
model.fit(
    files["x_train"],
    files["y_train"],
    epochs=4,
    batch_size=32,
    validation_data=(files["x_test"], files["y_test"]),
    verbose=2,
)
