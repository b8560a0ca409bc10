import keras
import numpy as np

keras.utils.set_random_seed(31)
VOCAB, LENGTH, DIM = 4000, 80, 32

data = np.load("reviews.npz")
x_train, y_train = data["x_train"], data["y_train"]
x_test, y_test = data["x_test"], data["y_test"]


def sentiment_model():
    words = keras.Input((LENGTH,), dtype="int32")
    x = keras.layers.Embedding(VOCAB, DIM)(words)
    x = keras.layers.LayerNormalization()(x)
    x = keras.layers.GlobalAveragePooling1D(data_format="channels_first")(x)
    x = keras.layers.Dense(16, activation="relu")(x)
    return keras.Model(words, keras.layers.Dense(1, activation="sigmoid")(x))


model = sentiment_model()
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy", metrics=["acc"])
stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
model.fit(
    x_train,
    y_train,
    batch_size=64,
    epochs=5,
    validation_data=(x_test, y_test),
    callbacks=[stop],
    verbose=2,
)
print(dict(zip(["loss", "acc"], model.evaluate(x_test, y_test, verbose=0), strict=True)))
