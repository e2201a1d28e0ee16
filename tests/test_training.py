"""The trainer: it learns, repeats, stops where it must, and its fast path computes what the plain one does."""

import math
from dataclasses import replace

import pytest
import torch

from nin import training
from nin.data import Split, enlarge, to_float
from nin.model import Variant, build, kaiming, xavier
from nin.training import SECTION, SOUND, Diverged, Recipe, Speed, augment, evaluate, forward, predict, train

SMALL = replace(SOUND, variant=Variant(width=0.125, linear_logits=True, dropout=0.0), num_epochs=1, batch_size=8)
WATCH = ("4.4.weight",)  # the body's last convolution


def squares(n, seed=0):
    """Two classes that differ in where they are bright."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 60, (n, 1, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.arange(n) % 2
    images[labels == 0, :, 4:12, 4:24] += 190
    images[labels == 1, :, 16:24, 4:24] += 190
    return Split(images, labels)


def test_the_defaults_are_the_sections():
    assert (SECTION.lr, SECTION.num_epochs, SECTION.batch_size, SECTION.init) == (0.1, 10, 128, "xavier")
    assert (SECTION.momentum, SECTION.weight_decay, SECTION.schedule) == (0, 0, "constant")


def test_one_batch_can_be_overfitted():
    data = squares(16)
    recipe = replace(SOUND, variant=replace(SOUND.variant, width=0.125), num_epochs=30, batch_size=16, lr=0.02)
    run = train(recipe, data, data, Speed(fold=True), progress=False)
    assert run.last["test_acc"] == 1.0 and run.last["loss"] < 0.1 < run.history[0]["loss"]
    assert len(run.losses) == len(run.history) == 30 and run.images_per_second > 0


def test_the_same_seed_repeats_and_another_does_not():
    data, recipe = squares(24), replace(SMALL, variant=Variant(width=0.125), shift=2)
    first, again, other = (train(replace(recipe, seed=seed), data, data, Speed(fold=True), progress=False)
                           for seed in (3, 3, 4))
    assert first.losses == again.losses != other.losses
    assert all(torch.equal(a, b) for a, b in zip(first.net.parameters(), again.net.parameters()))


def test_one_epoch_of_weights_agrees_with_the_plain_path():
    data = squares(40)
    plain, folded = (train(replace(SMALL, lr=0.02), data, data, speed, progress=False)
                     for speed in (Speed(), Speed(fold=True, channels_last=True)))
    for a, b in zip(plain.net.parameters(), folded.net.parameters()):
        assert torch.allclose(a, b, rtol=1e-3, atol=2e-5)


def test_forward_is_the_network_on_enlarged_images():
    torch.manual_seed(0)
    net, images = kaiming(build()).eval(), squares(4).images
    plain = net(enlarge(to_float(images)))
    assert torch.allclose(forward(net, images), plain, atol=1e-6)
    assert torch.allclose(forward(net, images, Speed(fold=True)), plain, rtol=1e-3, atol=1e-5)
    low = forward(net, images, Speed(fold=True, channels_last=True, bf16=True))
    assert low.dtype == torch.float32 and not torch.equal(low, plain)
    assert torch.allclose(low, plain, rtol=0.1, atol=0.05 * plain.abs().max().item())


def test_predict_keeps_the_order_and_the_mode():
    torch.manual_seed(0)
    net, data = xavier(build(SMALL.variant)).train(), squares(10)
    logits = predict(net, data, Speed(), batch_size=4)
    assert net.training and logits.shape == (10, 10)
    assert torch.allclose(logits[7:8], forward(net.eval(), data.images[7:8]), atol=1e-5)
    right = (logits.argmax(1) == data.labels).float().mean().item()
    assert evaluate(net, data, Speed()) == right


def test_augmentation_flips_and_shifts_within_bounds():
    images = torch.zeros(400, 1, 28, 28, dtype=torch.uint8)
    images[:, 0, 14, 10] = 255
    moved = augment(images, Recipe(flips=True, shift=2), torch.Generator().manual_seed(0))
    rows, columns = moved[:, 0].flatten(1).argmax(1) // 28, moved[:, 0].flatten(1).argmax(1) % 28
    assert (moved.flatten(1).sum(1) == 255).all()
    assert set((rows - 14).tolist()) == {-2, -1, 0, 1, 2}
    assert set(columns.tolist()) == {*range(8, 13), *range(15, 20)}
    assert torch.equal(augment(images, SECTION, None), images)


def test_a_square_of_the_right_size_is_covered_anywhere():
    images = torch.full((2000, 1, 28, 28), 7, dtype=torch.uint8)
    covered = augment(images, Recipe(erase=8), torch.Generator().manual_seed(0))[:, 0] == 0
    rows, columns = covered.any(2), covered.any(1)
    assert torch.equal(covered, rows[:, :, None] & columns[:, None, :])  # a rectangle in every image
    heights = rows.sum(1)
    assert set(heights.tolist()) == set(range(4, 9)) and rows.int().diff(dim=1).abs().sum(1).max() == 2
    inside = (heights == 8).float().mean().item()
    assert inside == pytest.approx(21 / 28, abs=0.03)  # of 28 places, 21 lie wholly inside
    assert covered[:, :, 0].any() and covered[:, :, -1].any() and covered.any(0).all()
    assert torch.equal(augment(images, Recipe(), None), images)


def test_a_native_network_is_the_same_by_net_and_by_forward():
    torch.manual_seed(0)
    net, images = kaiming(build(Variant(native=True, width=0.1, batch_norm=True))).eval(), squares(4).images
    plain = net(to_float(images))
    assert torch.allclose(forward(net, images, Speed(fold=True)), plain, atol=1e-6)
    low = forward(net, images, Speed(fold=True, channels_last=True, bf16=True))
    assert torch.allclose(low, plain, rtol=0.1, atol=0.05 * plain.abs().max().item())
    with pytest.raises(ValueError, match="not 224×224: leave out the enlargement.*fold=True"):
        forward(net, images)


def test_the_mirror_image_is_averaged_in():
    torch.manual_seed(0)
    net, data, speed = kaiming(build(Variant(native=True, width=0.1))).eval(), squares(6), Speed(fold=True)
    both = predict(net, data, speed, mirrored=True)
    alone = predict(net, data, speed)
    assert torch.allclose(both, (alone + forward(net, data.images.flip(-1), speed)) / 2, atol=1e-6)
    assert not torch.equal(both, alone)
    mirror = Split(data.images.flip(-1), data.labels)
    assert torch.allclose(predict(net, mirror, speed, mirrored=True), both, atol=1e-6)


def test_a_run_is_measured_as_its_recipe_says(monkeypatch):
    asked = []
    monkeypatch.setattr(training, "predict", lambda *args, mirrored=False: (asked.append(mirrored), predict(*args))[1])
    recipe = replace(SMALL, variant=Variant(native=True, width=0.1, linear_logits=True))
    for mirrored in (False, True):
        train(replace(recipe, mirrored=mirrored), squares(8), squares(8), Speed(fold=True), progress=False)
    assert asked == [False, True]


@pytest.mark.parametrize("bad", [{"shift": -1}, {"shift": 28}, {"erase": 29}, {"erase": -1}])
def test_bad_augmentation(bad):
    with pytest.raises(ValueError, match="shift must lie between 0 and 27 pixels and erase between 0 and 28"):
        Recipe(**bad)


@pytest.mark.parametrize("schedule, values", [
    ("constant", {0: 1, 50: 1, 99: 1}), ("cosine", {0: 1, 50: 0.5, 99: 0}), ("one-cycle", {0: 0.04, 29: 1, 99: 0})])
def test_schedules(schedule, values):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    scheduler, lr = training.SCHEDULES[schedule](optimizer, 100), []
    for _ in range(100):
        lr.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert {step: lr[step] / 0.1 for step in values} == pytest.approx(values, abs=2e-3)


def test_momentum_decay_and_smoothing_reach_the_optimiser():
    data = squares(16)
    base = train(SMALL, data, data, Speed(fold=True), progress=False).losses
    for change in ({"momentum": 0.0}, {"weight_decay": 0.5}, {"label_smoothing": 0.2}, {"schedule": "constant"}):
        assert train(replace(SMALL, **change), data, data, Speed(fold=True), progress=False).losses != base, change


def test_divergence_stops_at_once_and_says_where():
    data = squares(40)
    with pytest.raises(Diverged, match=r"step [2-5] of epoch 1 with lr 1e\+20: use a smaller lr"):
        train(replace(SMALL, lr=1e20, schedule="constant"), data, data, Speed(fold=True), progress=False)


def test_an_interruption_keeps_the_finished_epochs(monkeypatch):
    data, evaluations = squares(16), []

    def interrupted(*args):
        evaluations.append(evaluate(*args))
        if len(evaluations) == 3:
            raise KeyboardInterrupt
        return evaluations[-1]

    monkeypatch.setattr(training, "evaluate", interrupted)
    run = train(replace(SMALL, num_epochs=5), data, data, Speed(fold=True), progress=False)
    assert run.interrupted and [epoch["epoch"] for epoch in run.history] == [1, 2]
    assert run.last["test_acc"] == evaluations[1]


@pytest.mark.parametrize("bad, message", [
    ({"lr": 0}, "lr must be above zero, not 0"), ({"lr": -0.1}, "not -0.1"), ({"lr": math.nan}, "lr must be"),
    ({"num_epochs": 0}, "at least 1, not 0"), ({"num_epochs": -3}, "not -3"), ({"batch_size": 0}, "batch_size"),
    ({"init": "zeros"}, "xavier, kaiming"), ({"schedule": "step"}, "constant, cosine, one-cycle")])
def test_bad_recipes(bad, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**bad)


def test_enlarged_images_are_refused_with_the_shape_wanted():
    data = squares(4)
    wrong = Split(torch.zeros(4, 3, 28, 28, dtype=torch.uint8), data.labels)
    with pytest.raises(ValueError, match="28"):
        train(SMALL, wrong, data, Speed(fold=True), progress=False)


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_run_goes_on_from_its_last_epoch(epochs, monkeypatch, tmp_path):
    data, path = squares(20), tmp_path / "run.pt"
    recipe = replace(SMALL, variant=Variant(width=0.125), num_epochs=4, shift=1, flips=True)  # with dropout
    whole = train(recipe, data, data, Speed(fold=True), progress=False, watch=WATCH)
    count = iter(range(1, 9))

    def killed(*args):
        if next(count) > epochs:
            raise SystemExit  # in the middle, as a lost machine
        return evaluate(*args)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(training, "evaluate", killed)
        train(recipe, data, data, Speed(fold=True), progress=False, checkpoint=path, watch=WATCH)
    torch.manual_seed(99)
    resumed = train(recipe, data, data, Speed(fold=True), progress=False, checkpoint=path, watch=WATCH)
    assert resumed.gradients == whole.gradients and len(whole.gradients["4.4.weight"]) == len(whole.losses)
    assert resumed.losses == whole.losses and [epoch["epoch"] for epoch in resumed.history] == [1, 2, 3, 4]
    assert all(torch.equal(a, b) for a, b in zip(whole.net.parameters(), resumed.net.parameters()))
    finished = train(recipe, data, data, Speed(fold=True), progress=False, checkpoint=path, watch=WATCH)
    assert finished.gradients == whole.gradients and finished.losses == whole.losses
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_of_something_else_is_refused_and_kept(tmp_path):
    data, path = squares(16), tmp_path / "run.pt"
    train(SMALL, data, data, Speed(fold=True), progress=False, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="another recipe, of other data or with another watch: delete it"):
        train(replace(SMALL, seed=1), data, data, Speed(fold=True), progress=False, checkpoint=path)
    with pytest.raises(ValueError, match="another recipe, of other data"):
        train(SMALL, squares(24), data, Speed(fold=True), progress=False, checkpoint=path)
    with pytest.raises(ValueError, match="with another watch"):
        train(SMALL, data, data, Speed(fold=True), progress=False, checkpoint=path, watch=("4.4.weight",))
    assert path.read_bytes() == before
    for broken in (b"", before[:500], b"weights"):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"run\.pt is no checkpoint of nin\.training"):
            train(SMALL, data, data, Speed(fold=True), progress=False, checkpoint=path)


@pytest.mark.parametrize("watch", [(), ("4.4.weight", "7.0.bias")])
def test_a_gpu_is_not_made_to_wait_within_an_epoch(monkeypatch, watch):
    """What a step returns is read after the epoch alone: reading is what makes the host wait."""
    data, reads, steps = squares(40), [], []

    class OnGPU(torch.Tensor):  # says that it lies on a GPU, and notes when the host reads it
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            if function in (torch.Tensor.item, torch.Tensor.tolist, torch.Tensor.__bool__, torch.Tensor.__float__):
                reads.append(len(steps))
            result = super().__torch_function__(function, types, args, kwargs or {})
            return result

        @property
        def device(self):
            return torch.device("cuda:0")

    plain = training.Step.__call__

    def call(self, images, labels, lr):
        steps.append(lr)
        return tuple(value.as_subclass(OnGPU) for value in plain(self, images, labels, lr))

    monkeypatch.setattr(training.Step, "__call__", call)
    run = train(SMALL, data, data, Speed(fold=True), progress=False, watch=watch)
    assert len(steps) == 5 and reads and set(reads) == {5}
    assert [len(values) for values in run.gradients.values()] == [5] * len(watch)


@pytest.mark.parametrize("diverges_at", [1, 3, 5])
def test_a_loss_that_is_read_late_still_says_where_it_broke(diverges_at):
    losses = torch.tensor([2.3, 2.2, 2.1, 2.0, 1.9])
    losses[diverges_at - 1:] = math.nan
    with pytest.raises(Diverged, match=f"at step {diverges_at} of epoch 2"):
        training._check(list(losses), 2, SECTION)
