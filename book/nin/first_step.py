"""Take one training step in a fresh process and print the time at its end: what a reader waits for before it begins.

    python -m nin.first_step d2l|plain|fastest
"""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path


def seconds(path):
    """From the start of Python to the end of the first step, loading of code and data included."""
    start = time.time()
    result = subprocess.run([sys.executable, "-W", "ignore", "-m", "nin.first_step", path], capture_output=True,
                            text=True, cwd=Path(__file__).resolve().parents[1])
    if result.returncode:
        raise RuntimeError(f"the first step by {path} failed:\n{result.stderr}")
    return float(result.stdout) - start


def _d2l():
    from .d2l_run import d2l_quietly
    from .data import d2l_folder
    from .model import nin
    from .recipes import SECTION
    from .scale import current, device

    class First:
        """The loader's first batch; asked for a second one, it notes the time: the step is over."""

        def __init__(self, loader):
            self.loader = loader

        def __len__(self):
            return 5  # train_ch6 divides by a fifth of it

        def __iter__(self):
            yield next(iter(self.loader))
            self.end = time.time()

    with d2l_folder(), d2l_quietly() as (d2l, _):
        train_iter, test_iter = d2l.load_data_fashion_mnist(current().batch_size(SECTION.batch_size), resize=224)
        first = First(train_iter)
        d2l.train_ch6(nin(), first, First(test_iter), 1, SECTION.lr, device())
    return first.end  # d2l has read the loss by then, so a GPU has finished too


def _ours(speed):
    from .data import load
    from .recipes import SECTION
    from .scale import current, device
    from .step import Step

    recipe = replace(SECTION, batch_size=current().batch_size(SECTION.batch_size))
    data = load(train=True).to(device())
    step = Step(recipe, speed, device())
    step.start(recipe)
    step.net.train()
    with speed.applied():
        loss, _ = step(data.images[:recipe.batch_size], data.labels[:recipe.batch_size], recipe.lr)
        loss.item()
    return time.time()


def main(path):
    """The command line."""
    if path == "d2l":
        return _d2l()
    from .step import Speed, fastest

    return _ours({"plain": Speed, "fastest": fastest}[path]())


if __name__ == "__main__":
    print(main(sys.argv[1]))
