"""Schedules of this project."""

import keras


def halving(start, every):
    """A callback that halves the rate every few epochs."""

    def rate(epoch, now):
        return start / 2 ** (epoch // every)

    return keras.callbacks.LearningRateScheduler(rate)
