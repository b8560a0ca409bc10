"""Any loop at all: gradient descent in NumPy with a step so long that it diverges."""

import numpy as np

import trema

draw = np.random.default_rng(0)
x = draw.normal(size=(256, 8))
y = x @ draw.normal(size=8)
w = np.zeros(8)

run = trema.start("any-loop")
with np.errstate(all="ignore"):
    for step in range(600):
        error = x @ w - y
        w -= 1.5 * x.T @ error / len(x)
        run.log(step=step, loss=float(np.mean(error**2)))
run.finish()
