import keras
import numpy as np

keras.utils.set_random_seed(108)
z = np.load("fashion.npz")


def prepare(a):
    return a.reshape(len(a), -1).astype("float32") / 255


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(64, activation="relu", kernel_initializer="zeros")
        self.head = keras.layers.Dense(10, activation="softmax", kernel_initializer="zeros")

    def call(self, x):
        return self.head(self.hidden(x))


net = Net()
net.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
net.fit(
    prepare(z["x_train"]),
    z["y_train"],
    batch_size=32,
    epochs=5,
    validation_data=(prepare(z["x_test"]), z["y_test"]),
    verbose=2,
)
