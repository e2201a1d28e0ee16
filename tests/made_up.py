"""Made-up recorded runs, for tests only: none of their numbers has been measured."""

import json
import math


def run(label, seed, losses=None, accuracy=0.9, collapsed=False, epochs=2):
    """One line as nin.record writes it: a smooth curve from the plateau, or the plateau alone."""
    steps = epochs * 469
    plateau = math.log(10)
    curve = [plateau if collapsed else plateau * math.exp(-(20 * i / steps) * (1 + seed / 10)) for i in
             range(math.ceil(steps / 20))]
    reached = 0.1 if collapsed else accuracy
    history = [{"epoch": epoch, "loss": curve[epoch * len(curve) // epochs - 1],
                "train_acc": 0.1 + (reached - 0.1) * epoch / epochs,
                "test_acc": 0.1 + (reached - 0.1) * epoch / epochs, "seconds": 1.0, "test_seconds": 0.1}
               for epoch in range(1, epochs + 1)]
    return {"label": label, "scale": "full", "recipe": {"seed": seed, "num_epochs": epochs, "batch_size": 128},
            "train_images": 60_000, "test_images": 10_000, "history": history, "collapsed": collapsed,
            "losses": losses or [round(value, 5) for value in curve]}


def write(path, runs):
    """Write the runs as a .jsonl file; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in runs), encoding="utf-8")
    return path
