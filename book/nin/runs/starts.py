"""Gradients on the first batch, over many initialisations: what the experiment "first-gradients" answers. No torch."""

import math
from typing import NamedTuple

from . import read

SECTIONS, SOUNDS = "the section's recipe", "a sound recipe"
HEADS = {"one-step 3×3": "3x3", "one-step 1×1": "1x1", "NiN block": "block", "gradual": "gradual",
         "fully connected": "fc", "hidden units": "fc-hidden"}
VANISHED = 10  # a factor that would count as vanishing or exploding


class Times(NamedTuple):
    """How many times as large one head's gradients are as another's: ratio of geometric means, 95% interval, starts."""

    mean: float
    low: float
    high: float
    n: int

    def text(self):
        """As "2.04 times [1.85, 2.24]"."""
        return f"{self.mean:.2f} times [{self.low:.2f}, {self.high:.2f}]"


def on_first_batch():
    """{(recipe, head): [‖gradient‖ / ‖weights‖ of the body's last convolution, one an initialisation]}."""
    names = {code: name for name, code in HEADS.items()}
    return {(line["case"]["recipe"], names[line["case"]["head"]]): line["relative"]
            for line in read.cases("first-gradients")}


def against(found, recipe, head, reference="NiN block"):
    """`Times` of a head against a reference; None where one of them lacks.

    Welch's interval on the logarithms: the heads draw other numbers of weights, so one seed gives them other bodies.
    """
    from ..compare import welch

    sides = [found.get((recipe, name)) for name in (head, reference)]
    if None in sides:
        return None
    own, its = ([math.log10(value) for value in side if value] for side in sides)
    mean, low, high, _ = welch(its, own)
    return Times(10 ** mean, 10 ** low, 10 ** high, min(len(own), len(its)))


def both_recipes():
    """[`Times` of the one-step 3×3 against the NiN block] under the section's recipe and the sound one, or []."""
    found = on_first_batch()
    pairs = [against(found, recipe, "one-step 3×3") for recipe in (SECTIONS, SOUNDS)]
    return [] if None in pairs else pairs


def figures():
    """Both of them in a sentence, or an empty text."""
    if not (pairs := both_recipes()):
        return ""
    section, sound = pairs
    return (f"Over {section.n} initialisations the gradient through the one-step 3×3 is {section.text()} that through "
            f"the NiN block under {SECTIONS}, and {sound.text()} under {SOUNDS}.")


def one_step():
    """Whether one step makes gradients vanish or explode at the start, in Markdown; an empty text without lines."""
    if not (pairs := both_recipes()):
        return ""
    far = [pair for pair in pairs if not 1 / VANISHED < pair.mean < VANISHED]
    return f"**they {'do' if far else 'do not'} vanish or explode because of one step.** {figures()}"


def larger():
    """Which head passes the larger gradients: "one-step 3×3", "NiN block" or "it depends"; None without lines."""
    if not (pairs := both_recipes()):
        return None
    if all(pair.low > 1 for pair in pairs):
        return "one-step 3×3"
    return "NiN block" if all(pair.high < 1 for pair in pairs) else "it depends"
