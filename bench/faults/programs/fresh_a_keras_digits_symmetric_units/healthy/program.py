from functools import partial

import keras
from keras import initializers, layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(19)
digits = load_digits()
x_train, x_val, y_train, y_val = train_test_split(
    digits.data.astype("float32") / 16, digits.target, test_size=0.2, random_state=19
)

Hidden = partial(
    layers.Dense,
    activation="relu",
    kernel_initializer=initializers.HeNormal(seed=19),
)
model = keras.Sequential(
    [
        keras.Input((64,)),
        Hidden(64, name="first"),
        Hidden(32, name="second"),
        layers.Dense(10, activation="softmax", name="classes"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=32, epochs=8, validation_data=(x_val, y_val), verbose=2)
