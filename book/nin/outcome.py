"""How a run ended: numbers in, words out; needs no torch. Chapters 3 to 5."""

import math

MEANS = 20  # steps to each of the means of the loss that a recorded run keeps
LAST = 60  # steps at the end that must lie below the plateau
OUTCOMES = ("clean", "classes lost", "late", "collapsed", "diverged")


def mark(num_classes=10):
    """The loss below which a run has left the plateau, the loss of equal logits."""
    return math.log(num_classes) - 0.05  # equal logits have ln(num_classes)


def plateau_end(means):
    """The step by which a mean of 20 first lay below the mark; None if none did."""
    below = (i for i, loss in enumerate(means, start=1) if loss < mark())
    return next((MEANS * i for i in below), None)


def last_mean(means, steps):
    """The mean loss of the last 60 steps, or of a few more that make whole groups.

    `means` are of every 20 of the `steps`; the last group may be smaller.
    """
    sizes = [MEANS] * (len(means) - 1) + [min(MEANS, steps - MEANS * (len(means) - 1))]
    total = count = 0
    for mean, size in zip(reversed(means), reversed(sizes)):
        total, count = total + mean * size, count + size
        if count >= LAST:
            break
    return total / count


def lost(answered):
    """The classes answered on fewer than 1% of the images, by counts of the answers."""
    return [k for k, count in enumerate(answered) if count < sum(answered) / 100]


def dead(highest):
    """The ReLU logits whose largest value over all images is 0: no gradient passes."""
    return [k for k, value in enumerate(highest) if value == 0]


def outcome(means, steps, answered=None, diverged=False):
    """One of OUTCOMES, the first that holds, or None where that is not known:

    diverged      the loss became no number
    collapsed     the mean loss of the last 60 steps is not below the mark
    late          the mean of 20 steps came below the mark only after half the steps
    classes lost  a class was answered on fewer than 1% of the test images
    clean         none of these.

    `means` are of every 20 of the `steps`; `answered` counts the answers by class after
    the last one: without it, a run that learnt is not known.
    """
    if diverged or not all(map(math.isfinite, means)):
        return "diverged"
    if not means or last_mean(means, steps) >= mark():
        return "collapsed"
    if (plateau_end(means) or steps) > steps / 2:
        return "late"
    if answered is None:
        return None
    return "classes lost" if lost(answered) else "clean"


def crashed(accuracies):
    """Whether an epoch's accuracy (0 to 1) is over 10 points below the one before."""
    return any(100 * (a - b) > 10 for a, b in zip(accuracies, accuracies[1:]))
