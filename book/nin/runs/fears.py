"""Which of the notes' five fears of one step the recorded runs bear out, in Markdown. Chapter 7. Needs no torch."""

import math

from . import answers, read, starts
from .answers import EXERCISE_4, contrast, unanswered, under


def gap(run):
    """Points from training images, seen again after training, to test images."""
    if run.get("seen_acc") is not None and run["test_acc"] is not None:
        return 100 * (run["seen_acc"] - run["test_acc"])


def last_loss(run):
    """The mean training loss of the last epoch."""
    return run["history"][-1]["loss"] if run["history"] else None


def information_lost(run):
    """Points from the probe on the channels' means to the better reading after: its own, or the network's."""
    if found := run.get("readable"):
        return 100 * (found["before, means"] - max(found["after, means"], run["test_acc"]))


def least_gradient(run):
    """The least of a run's relative gradients, as log10."""
    return math.log10(max(min(run["gradient"]), 1e-12)) if run.get("gradient") else None


def largest_gradient(run):
    """The largest of them, as log10."""
    return math.log10(max(max(run["gradient"]), 1e-12)) if run.get("gradient") else None


def _error(run):
    return None if run["test_acc"] is None else 100 - 100 * run["test_acc"]


def _shrunk(run):
    least = least_gradient(run)
    return None if least is None else -least


POINTS, NATS = "{:.2f} points".format, "{:.4f} nats".format
# {fear: (what grows if it comes true, its unit in words, the mark that it must pass)}, in the notes' order.
FEARS = {
    "loses information": (information_lost, POINTS, 0),
    "overfits": (gap, POINTS, 0),
    "limits what is learnt": (last_loss, NATS, 0),
    "breaks the fusion of features": (_error, POINTS, 0),
    "makes gradients vanish": (_shrunk, lambda size: f"a factor of {10**size:.1f}", 1),
    "makes gradients explode": (largest_gradient, lambda size: f"a factor of {10**size:.1f}", 1)}


def found():
    """{fear: {comparison: Contrast or None}}: the one-step 3×3 against the block and the gradual head."""
    one, few = "one-step 3×3", read.by_label(read.load("exercise-4-overfitting"))
    groups = {recipe: read.by_label(under(EXERCISE_4, recipe)) for recipe in EXERCISE_4}
    contrasts = {}
    for fear, (measure, _, _) in FEARS.items():
        contrasts[fear] = {f"against {head} ({recipe})": contrast(groups[recipe], one, head, measure)
                           for recipe in EXERCISE_4 for head in ("NiN block", "gradual")}
        for end in ("", ", no dropout") if fear == "overfits" else ():
            contrasts[fear][f"against NiN block (6,000 images{end})"] = contrast(
                few, f"{one}{end}", f"NiN block{end}", measure)
    return contrasts


def judge(contrasts, size, mark=0.0):
    """The verdict on a fear, in Markdown, from {condition: Contrast or None}.

    It is seen under a condition if the 95% interval lies above `mark`; otherwise
    effects above it are excluded. `size` turns 0.3 into words, "0.30 points".
    """
    known = {where: c for where, c in contrasts.items() if c is not None}
    if not known:
        return "**open**: no comparison has eight clean runs a side"
    seen = [where for where, c in known.items() if c.difference.low > mark]
    others = [where for where in known if where not in seen]
    runs = [n for c in known.values() for n in (c.n, c.reference_n)]
    basis = f"{min(runs)}" + (f" to {max(runs)}" if max(runs) > min(runs) else "")
    basis += " clean runs a side"
    if len(known) < len(contrasts):
        basis += f", in {len(known)} of {len(contrasts)} comparisons"
    if not others:
        least = min(c.difference.mean for c in known.values())
        return f"**seen**, on average {size(least)} or more ({basis})"
    most = max(0.0, *(known[where].difference.high for where in others))
    excluded = f"effects above {size(most)} are excluded"
    if all(c.difference.high < -mark for c in known.values()):
        return f"**not seen**; the contrary holds ({basis})"
    if all(c.difference.high < 0 for c in known.values()):
        return f"**not seen**; every interval lies on the other side ({basis})"
    if not seen:
        return f"**not seen**; {excluded} ({basis})"
    return (f"**it depends**. Seen {', '.join(seen)}. Not seen {', '.join(others)}; "
            f"there {excluded} ({basis})")


def judged():
    """{fear: the verdict on it, in Markdown}."""
    return {fear: judge(contrasts, *FEARS[fear][1:]) for fear, contrasts in found().items()}


def on_frozen_bodies(experiment="frozen-bodies"):
    """[{head: (accuracy in %, last training loss), each a mean over its seeds}, one dict a body]."""
    def mean(values):
        return sum(values) / len(values)

    return [{name: (100 * mean(line["accuracy"][head]), mean(line["loss"][head]))
             for name, head in starts.HEADS.items() if head in line["accuracy"]}
            for line in read.cases(experiment)]


def lead(bodies, head, reference):
    """The Interval, in points, by which new heads of one kind are more accurate than of another on the same bodies."""
    from ..compare import mean_interval

    return mean_interval([body[head][0] - body[reference][0] for body in bodies])


def same_body():
    """What three layers in the place of one step read from the same trained bodies, in a sentence; empty without."""
    if len(bodies := on_frozen_bodies()) < 2:
        return ""
    found = lead(bodies, "gradual", "one-step 3×3")
    return (f"On {found.n} trained bodies that stay as they are, new gradual heads differ from new one-step 3×3s by "
            f"{found.mean:+.2f} points [{found.low:+.2f}, {found.high:+.2f}].")


def exercise_4():
    """The short answer's recorded part: which of the notes' five fears is seen, not seen, or depends on what."""
    verdicts, lines, (compared, ps) = judged(), [], answers.judged(4, EXERCISE_4)
    for named, found in compared.items():
        if found and named[2] == "one-step 3×3":
            lines.append(f"- The {named[1]}{' head' * (named[1] == 'gradual')} in the place of one step, under "
                         f"{named[0]}: {found.words(ps[named])}{answers.first_look(named, EXERCISE_4, found)}")
    known = {fear: text for fear, text in verdicts.items() if not text.startswith("**open**")}
    lines += [f"- One step {fear}: {text}." for fear, text in known.items()]
    lines += [f"- Gradients at the start: {text}" for text in [starts.one_step()] if text]
    lines += [f"- The head alone: {text}" for text in [same_body()] if text]
    rest = [fear for fear in verdicts if fear not in known]
    if not known:
        what = "any of the notes' five fears comes true in a trained network"
    else:
        what = f"one step {', '.join(rest[:-1])}{' or ' * (len(rest) > 1)}{rest[-1] if rest else ''}"
    return lines + [unanswered(f"whether {what}")] * bool(rest)
