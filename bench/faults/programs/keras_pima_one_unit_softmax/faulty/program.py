import keras
import numpy as np
from keras.layers import Dense
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

keras.utils.set_random_seed(101)
table = np.loadtxt("diabetes.csv", delimiter=",", skiprows=1)
X, y = table[:, :8], table[:, 8]
X[:, 1:6][X[:, 1:6] == 0] = np.nan
X_train, X_val, y_train, y_val = train_test_split(
    X, y, test_size=0.25, stratify=y, random_state=101
)
clean = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(X_train)

model = keras.Sequential([keras.Input((8,)), Dense(12, activation="relu")])
model.add(Dense(1, activation="softmax"))
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
model.fit(
    clean.transform(X_train),
    y_train,
    validation_data=(clean.transform(X_val), y_val),
    epochs=12,
    batch_size=16,
    verbose=2,
)
