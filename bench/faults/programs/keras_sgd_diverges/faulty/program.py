import keras
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

keras.utils.set_random_seed(112)
t = np.loadtxt("boston.csv", delimiter=",", skiprows=1)
fit, val = train_test_split(t, test_size=0.2, random_state=112)
s = StandardScaler().fit(fit)
fit, val = s.transform(fit), s.transform(val)
net = keras.Sequential(
    [keras.Input((13,)), keras.layers.Dense(20, activation="tanh"), keras.layers.Dense(1)]
)
net.compile(keras.optimizers.SGD(learning_rate=3.0), "mean_squared_error")
net.fit(
    fit[:, :-1],
    fit[:, -1],
    epochs=15,
    batch_size=20,
    validation_data=(val[:, :-1], val[:, -1]),
    verbose=2,
)
