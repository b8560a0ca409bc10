"""Learning rate schedules."""

import math

from torch.optim.lr_scheduler import LambdaLR


def warm_cosine(optimizer, rate, steps, warmup=20):
    """Linear warm-up to the rate, then a half cosine down to zero."""

    def factor(step):
        if step < warmup:
            return rate * (step + 1) / warmup
        done = (step - warmup) / max(1, steps - warmup)
        return rate * 0.5 * (1 + math.cos(math.pi * done))

    return LambdaLR(optimizer, factor)
