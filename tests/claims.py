"""What the claims of all pages share: measures of recorded runs by label."""

from nin.compare import LEAST
from nin.runs.fears import last_loss

HALF_A_POINT = 0.005  # the difference between the notes' runs of exercise 2


def ends(runs, label, measure):
    """A measure of every run of a label that has it."""
    return [value for run in runs if run["label"] == label and (value := measure(run)) is not None]


def left(run):
    """The step at which a run left ln 10."""
    return run["plateau_end"]


def accuracies(runs, label):
    """The test accuracies of a label's clean runs."""
    found = ends([run for run in runs if run["outcome"] == "clean"], label, lambda run: run["test_acc"])
    assert len(found) >= LEAST, f"{label}: accuracies are compared from {LEAST} clean runs on"
    return found


def losses(runs, label):
    """The training losses of the last epoch of a label's clean runs."""
    return ends([run for run in runs if run["outcome"] == "clean"], label, last_loss)
