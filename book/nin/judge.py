"""What recorded runs say about a fear: seen, not seen, or depending on the conditions."""

from typing import NamedTuple

from .compare import Difference, welch


class Contrast(NamedTuple):
    """A difference between two variants, and how many runs of each it rests on."""

    difference: Difference
    n: int
    reference_n: int

    def text(self, digits=2):
        """The difference, its 95% interval and the runs on either side: "+0.31 [+0.10, +0.52], 10 and 9"."""
        mean, low, high = self.difference[:3]
        return f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}], {self.n} and {self.reference_n}"


def contrast(groups, label, reference, measure):
    """mean(label) - mean(reference) of a measure over the clean recorded runs; None without two on each side.

    `groups` is {label: runs}; `measure` takes a run, and returns None where its line lacks what is needed.
    """
    values, against = ([value for run in groups.get(name, []) if run["outcome"] == "clean"
                        and (value := measure(run)) is not None] for name in (label, reference))
    if min(len(values), len(against)) < 2:
        return None
    return Contrast(welch(against, values), len(values), len(against))


def judge(contrasts, size, mark=0.0):
    """The verdict on a fear, in Markdown, from {condition: Contrast or None}; a positive difference bears it out.

    It is seen under a condition if the 95% interval lies above `mark`; elsewhere effects above the interval are
    excluded. `size` turns an effect into words: 0.3 into "0.30 points".
    """
    known = {condition: c for condition, c in contrasts.items() if c is not None}
    if not known:
        return "**not yet decided**: too few clean runs are recorded"
    seen = [condition for condition, c in known.items() if c.difference.low > mark]
    others = [condition for condition in known if condition not in seen]
    runs = [n for c in known.values() for n in (c.n, c.reference_n)]
    basis = f"n = {min(runs)}" + (f" to {max(runs)}" if max(runs) > min(runs) else "")
    if len(known) < len(contrasts):
        basis += f", {len(known)} of {len(contrasts)} comparisons recorded"
    if not others:
        least = min(c.difference.mean for c in known.values())
        return f"**seen**: {size(least)} or more on average ({basis})"
    excluded = f"effects above {size(max(0.0, *(known[condition].difference.high for condition in others)))} excluded"
    if all(c.difference.high < -mark for c in known.values()):
        return f"**not seen**, the contrary holds ({basis})"
    if not seen:
        return f"**not seen** ({excluded}; {basis})"
    return f"**depends on** the comparison: seen {'; '.join(seen)}; not {'; '.join(others)} ({excluded}; {basis})"
