"""A run on the disk after each epoch, to go on from. Chapters 3, 4, 5 and 7."""

import pickle
from dataclasses import asdict
from pathlib import Path

import torch

KEPT = ("history", "losses", "gradients", "before", "examined")  # of a Run
BROKEN = (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError)


def save(run, generator, path):
    """Write a Run up to its last epoch; interrupted, the former file stays whole."""
    unfinished = Path(f"{path}.part")
    kept = {name: getattr(run, name) for name in KEPT}
    torch.save({"recipe": asdict(run.recipe), "images": run.train_images,
                "random": _random_states(generator), **kept, **run.step.state()},
               unfinished)
    unfinished.replace(path)


def resume(run, generator, path):
    """Bring a fresh Run, and the random numbers that it draws, to where a file left it.

    Raises ValueError where the file is of another run or device, or no checkpoint.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        same = (saved["recipe"] == asdict(run.recipe)
                and saved["images"] == run.train_images
                and saved["gradients"].keys() == run.gradients.keys()
                and len(saved["random"]) == len(_random_states(generator)))
    except BROKEN as error:
        raise ValueError(f"{path} is no checkpoint of a run: delete it, or name "
                         f"another file") from error
    if not same:
        raise ValueError(f"{path} holds a run of another recipe, of other data, with "
                         f"another watch or of another device than {generator.device}: "
                         f"delete it to start anew, or name another file")
    for name in KEPT:
        setattr(run, name, saved[name])
    run.step.restore(saved)
    put = generator.set_state, torch.set_rng_state, torch.cuda.set_rng_state
    for state, set_state in zip(saved["random"], put, strict=False):  # a CPU has two
        set_state(state)


def _random_states(generator):
    """Those that a run draws from: the examples' order, dropout on either device."""
    states = [generator.get_state(), torch.get_rng_state()]
    if generator.device.type == "cuda":
        states.append(torch.cuda.get_rng_state(generator.device))
    return states
