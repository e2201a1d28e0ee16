"""A run of d2l's own: its images, its functions, its numbers."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from nin import data
from nin.d2l_run import Batches, d2l_quietly, enlarged_by_pil, printed_numbers, train_d2l
from nin.training import SECTION, SOUND, Diverged


@pytest.fixture(scope="module")
def sets():
    return [enlarged_by_pil(data.load(train=is_train).take(24)) for is_train in (True, False)]


def test_the_images_are_d2ls_to_the_last_bit(sets):
    with d2l_quietly() as (d2l, _):
        transform = d2l.transforms.Compose([d2l.transforms.Resize(224), d2l.transforms.ToTensor()])
    source = data.load(train=True)
    ours = next(iter(Batches(sets[0], 24)))[0]
    for i in range(5):
        assert torch.equal(transform(Image.fromarray(source.images[i, 0].numpy())), ours[i])


def test_every_example_once_an_epoch_and_in_another_order():
    source = data.Split(torch.arange(10, dtype=torch.uint8)[:, None, None, None], torch.arange(10))
    loader = Batches(source, 4, torch.Generator().manual_seed(0))
    epochs = [torch.cat([labels for _, labels in loader]).tolist() for _ in range(2)]
    assert len(loader) == 3 and epochs[0] != epochs[1] and sorted(epochs[0]) == sorted(epochs[1]) == list(range(10))


def test_a_run_is_d2ls_and_repeats(sets):
    recipe = replace(SECTION, num_epochs=1, batch_size=4, lr=0.05)
    first, again = (train_d2l(recipe, *sets, "cpu") for _ in range(2))
    epoch, = first.history
    assert {k: v for k, v in epoch.items() if k != "seconds"} == {k: v for k, v in again.history[0].items()
                                                                  if k != "seconds"}
    assert abs(epoch["loss"] - 2.303) < 0.2 and epoch["test_acc"] * 24 == pytest.approx(round(epoch["test_acc"] * 24))
    assert first.images_per_second > 0 and not first.interrupted


def test_what_train_ch6_prints_is_read():
    assert printed_numbers("loss 0.352, train acc 0.871, test acc 0.874\n1721.5 examples/sec on cuda:0\n") == (
        0.352, 0.871, 0.874, 1721.5)


def test_a_recipe_that_d2l_cannot_follow_is_refused(sets):
    with pytest.raises(ValueError, match="plain SGD and Xavier weights only"):
        train_d2l(SOUND, *sets)


def test_a_diverged_run_says_so(sets):
    with pytest.raises(Diverged, match=r"the loss became nan with lr 1e\+20"):
        train_d2l(replace(SECTION, num_epochs=1, batch_size=4, lr=1e20), *sets, "cpu")
