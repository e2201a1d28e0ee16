"""How a run ended: diverged, collapsed, late, with classes lost, or clean. Numbers in, words out; needs no torch."""

import math

MEANS = 20  # steps to each of the means of the loss that a recorded run keeps
LAST = 60  # steps at the end that must lie below the plateau
OUTCOMES = ("clean", "classes lost", "late", "collapsed", "diverged")


def mark(num_classes=10):
    """The loss below which a run has left the plateau: 0.05 below ln(num_classes), the loss of equal logits."""
    return math.log(num_classes) - 0.05


def plateau_end(means, every=MEANS):
    """The step by which the mean loss of `every` steps first lay below the mark; None if it never did."""
    return next((every * (i + 1) for i, loss in enumerate(means) if loss < mark()), None)


def last_mean(means, steps, every=MEANS):
    """The mean loss of the last 60 steps, or of the few more that make whole groups; the last group may be smaller."""
    sizes = [every] * (len(means) - 1) + [min(every, steps - every * (len(means) - 1))]
    total = count = 0
    for mean, size in zip(reversed(means), reversed(sizes)):
        total, count = total + mean * size, count + size
        if count >= LAST:
            break
    return total / count


def lost(answered):
    """The classes that are nearly never answered: on fewer than 1% of as many images as `answered` counts in all."""
    return [k for k, count in enumerate(answered) if count < sum(answered) / 100]


def dead(highest):
    """The ReLU logits whose largest value over all images is 0: their maps are 0 everywhere and get no gradient."""
    return [k for k, value in enumerate(highest) if value == 0]


def mute(spreads, share=0.1):
    """The logits whose standard deviation over images is below a share of the third-largest one."""
    third = sorted(spreads, reverse=True)[min(2, len(spreads) - 1)]
    return [k for k, spread in enumerate(spreads) if spread < share * third]


def outcome(means, steps, answered=None, diverged=False):
    """One of OUTCOMES, or None for a run that learnt and whose `answered` is not known; the first that holds, of

    diverged      the loss became no number
    collapsed     the mean loss of the last 60 steps is not below the mark
    late          the mean of 20 steps came below the mark only after half the steps
    classes lost  a class was answered on fewer than 1% of the test images
    clean         none of these.

    `means` are of every 20 of the `steps`; `answered` counts how often each class was answered after the last.
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


def crashed(accuracies, points=10):
    """Whether the test accuracy (0 to 1) fell by more than so many points from one epoch to the next."""
    return any(100 * (a - b) > points for a, b in zip(accuracies, accuracies[1:]))
