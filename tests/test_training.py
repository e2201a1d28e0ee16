"""The trainer: it learns, repeats, stops where it must, and its fast path computes what the plain one does."""

import math
from dataclasses import replace

import pytest
import torch

from nin import evaluation, training
from nin.augmentation import augment, relabelled
from nin.data import Split, enlarge, to_float
from nin.evaluation import evaluate, examine, predict, right
from nin.model import INITIALISATIONS, build, kaiming, xavier
from nin.recipes import SECTION, SOUND, Recipe, Variant, change
from nin.step import Speed, Step, forward
from nin.training import Diverged, learning_rates, minutes, train

SMALL = replace(SOUND, variant=Variant(width=0.125, linear_logits=True, dropout=0.0), num_epochs=1, batch_size=8)
TINY = change(SMALL, native=True)  # the quickest to train
WATCH = ("4.4.weight",)  # the body's last convolution
FOLDED = Speed(fold=True)


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
    recipe = change(SOUND, native=True, width=0.125, num_epochs=30, batch_size=16, lr=0.02)
    run = train(recipe, data, data, FOLDED, progress=False)
    assert run.last["test_acc"] == 1.0 and run.last["loss"] < 0.1 < run.history[0]["loss"]
    assert len(run.losses) == len(run.history) == 30 and run.images_per_second > 0


def test_the_same_seed_repeats_and_another_does_not():
    data, recipe = squares(24), replace(SMALL, variant=Variant(width=0.125), shift=2)
    first, again, other = (train(replace(recipe, seed=seed), data, data, FOLDED, progress=False)
                           for seed in (3, 3, 4))
    assert first.losses == again.losses != other.losses
    assert all(torch.equal(a, b) for a, b in zip(first.net.parameters(), again.net.parameters()))


def test_one_epoch_of_weights_agrees_with_the_plain_path():
    data = squares(40)
    plain, folded = (train(replace(SMALL, lr=0.02), data, data, speed, progress=False)
                     for speed in (Speed(), Speed(fold=True, channels_last=True)))
    for a, b in zip(plain.net.parameters(), folded.net.parameters()):
        assert torch.allclose(a, b, rtol=1e-3, atol=2e-4)  # rounding may flip a ReLU


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
    share = (logits.argmax(1) == data.labels).double().mean().item()
    assert evaluate(net, data, Speed()) == share


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

    def noted(*args, mirrored=False):
        asked.append(mirrored)
        return predict(*args)

    monkeypatch.setattr(evaluation, "predict", noted)
    recipe = replace(SMALL, variant=Variant(native=True, width=0.1, linear_logits=True))
    for mirrored in (False, True):
        train(replace(recipe, mirrored=mirrored), squares(8), squares(8), FOLDED, progress=False)
    assert asked == [False, False, True, True]  # before the first step, and after the epoch


@pytest.mark.parametrize("bad", [{"shift": -1}, {"shift": 28}, {"erase": 29}, {"erase": -1}])
def test_bad_augmentation(bad):
    with pytest.raises(ValueError, match="shift must lie between 0 and 27 pixels|erase must lie between 0 and 28"):
        Recipe(**bad)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 10, 469, 4690])
def test_the_schedules_are_torchs(steps):
    def torchs(scheduler, *args, **kwargs):
        optimizer, rates = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1), []
        scheduler = scheduler(optimizer, *args, **kwargs)
        for step in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if step < steps - 1:
                scheduler.step()
        return rates

    schedulers = torch.optim.lr_scheduler
    cosine = torchs(schedulers.CosineAnnealingLR, steps)
    one_cycle = torchs(schedulers.OneCycleLR, 0.1, total_steps=steps, cycle_momentum=False)
    assert learning_rates("cosine", 0.1, steps) == pytest.approx(cosine, rel=0, abs=1e-15)
    assert learning_rates("one-cycle", 0.1, steps) == pytest.approx(one_cycle, rel=0, abs=1e-15)
    assert learning_rates("constant", 0.1, steps) == [0.1] * steps


def test_a_warm_up_rises_in_proportion_to_the_steps():
    assert learning_rates("constant", 0.1, 6, warmup=4) == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])
    for schedule in ("cosine", "one-cycle"):  # on top of a schedule, the schedule's own course after it
        plain, warm = (learning_rates(schedule, 0.1, 6, warmup) for warmup in (0, 4))
        assert warm == pytest.approx([rate * min(1, (i + 1) / 4) for i, rate in enumerate(plain)])


def test_every_step_gets_the_rate_of_its_place(monkeypatch):
    """Over the epochs, the last and smaller batch of each included."""
    rates, plain = [], Step.__call__
    monkeypatch.setattr(Step, "__call__", lambda self, images, labels, lr: (rates.append(lr), plain(
        self, images, labels, lr))[1])
    recipe = replace(TINY, num_epochs=3, warmup=4)
    train(recipe, squares(20), squares(8), FOLDED, progress=False)
    assert rates == learning_rates("one-cycle", 0.05, 9, 4)


def test_momentum_decay_and_smoothing_reach_the_optimiser():
    data = squares(16)
    base = train(SMALL, data, data, FOLDED, progress=False).losses
    for other in ({"momentum": 0.0}, {"weight_decay": 0.5}, {"label_smoothing": 0.2}, {"schedule": "constant"}):
        assert train(replace(SMALL, **other), data, data, FOLDED, progress=False).losses != base, other


def test_divergence_stops_at_once_and_says_where():
    data = squares(40)
    with pytest.raises(Diverged, match=r"step [2-5] of epoch 1 with lr 1e\+20: use a smaller lr"):
        train(replace(SMALL, lr=1e20, schedule="constant"), data, data, FOLDED, progress=False)


def interrupting(monkeypatch, name, at, error=KeyboardInterrupt):
    """Make the call of a function of nin.training, or of Step's when its name is "__call__", fail once."""
    calls, owner = [], Step if name == "__call__" else training
    plain = getattr(owner, name)

    def call(*args, **kwargs):
        calls.append(1)
        if len(calls) == at:
            raise error
        return plain(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


# Each epoch has three steps; `examine` is called once before the first, `stopwatch` twice in each.
@pytest.mark.parametrize("name, at, finished", [
    ("__call__", 7, 2), ("__call__", 9, 2), ("examine", 4, 2), ("stopwatch", 6, 2), ("right", 3, 2),
    ("save", 1, 1), ("save", 3, 3)])
def test_an_interrupted_run_is_that_of_its_finished_epochs(name, at, finished, monkeypatch, tmp_path):
    data, recipe = squares(20), replace(TINY, schedule="constant", variant=replace(TINY.variant, batch_norm=True))
    watch = ("4.6.weight",)
    whole = train(replace(recipe, num_epochs=finished), data, data, FOLDED, progress=False, watch=watch)
    with monkeypatch.context() as patch:
        interrupting(patch, name, at)
        run = train(replace(recipe, num_epochs=5), data, data, FOLDED, progress=False, watch=watch,
                    checkpoint=tmp_path / "run.pt")
    assert run.interrupted and not whole.interrupted
    assert [epoch["epoch"] for epoch in run.history] == list(range(1, finished + 1))
    assert (run.losses, run.gradients) == (whole.losses, whole.gradients) and len(run.losses) == 3 * finished
    assert (run.examined, run.before) == (whole.examined, whole.before) and len(run.examined) == finished
    assert all(torch.equal(tensor, run.net.state_dict()[key]) for key, tensor in whole.net.state_dict().items())
    assert examine(run.net, data, FOLDED) == run.examined[-1]


def test_an_interruption_before_the_first_epoch_ends_is_passed_on(monkeypatch):
    interrupting(monkeypatch, "__call__", 2)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, squares(20), squares(8), FOLDED, progress=False)


def test_what_is_examined_is_counted_by_hand():
    torch.manual_seed(0)
    net, data = kaiming(build(TINY.variant)), Split(squares(30).images, torch.arange(30) % 10)
    net[7][-1].bias.data -= predict(net, data, FOLDED).mean(0)  # so that it answers more classes than one
    found, logits = examine(net, data, FOLDED), predict(net, data, FOLDED)
    counts = [[0] * 10 for _ in range(10)]
    for label, answer in zip(data.labels.tolist(), logits.argmax(1).tolist()):
        counts[label][answer] += 1
    assert found["confusion"] == counts and sum(map(sum, counts)) == 30 and len(set(logits.argmax(1).tolist())) > 1
    for k, column in enumerate(logits.double().T.tolist()):
        mean = sum(column) / 30
        std = math.sqrt(sum((value - mean) ** 2 for value in column) / 29)
        hand = {"mean": mean, "std": std, "min": min(column), "max": max(column)}
        assert {name: found[f"logit_{name}"][k] for name in hand} == pytest.approx(hand, rel=1e-3, abs=1e-7)
    share = sum(counts[k][k] for k in range(10)) / 30
    assert 0 < share == right(found) == pytest.approx(evaluate(net, data, FOLDED))


def test_every_epoch_is_examined_and_so_is_the_untrained_network():
    data, test_set = squares(20), squares(12, seed=1)
    run = train(replace(TINY, num_epochs=2), data, test_set, FOLDED, progress=False)
    torch.manual_seed(TINY.seed)
    assert run.before == examine(kaiming(build(TINY.variant)), test_set, FOLDED)
    assert [right(found) for found in run.examined] == [epoch["test_acc"] for epoch in run.history]
    assert run.examined[-1] == examine(run.net, test_set, FOLDED) != run.before


# The second run of a recipe with `first`


FIRST = replace(TINY, lr=0.2, num_epochs=2, init="xavier", label_smoothing=0.1)
SECOND = replace(TINY, num_epochs=2, init="xavier", first=FIRST, seed=3)


def test_a_second_run_starts_with_fresh_weights_and_trained_biases(monkeypatch):
    data, starts, plain = squares(20), [], training.examine
    trained = train(replace(FIRST, seed=3), data, data, FOLDED, progress=False).net.state_dict()
    torch.manual_seed(3)
    fresh = xavier(build(SECOND.variant)).state_dict()

    def examined(net, *args):
        starts.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
        return plain(net, *args)

    monkeypatch.setattr(training, "examine", examined)
    run = train(SECOND, data, data, FOLDED, progress=False)
    assert len(starts) == 6 and len(run.history) == 2  # before and after two epochs, twice
    start = starts[3]
    for name, tensor in start.items():
        assert torch.equal(tensor, (trained if name.endswith("bias") else fresh)[name]), name
        assert not torch.equal(trained[name], fresh[name])
    alone = train(replace(SECOND, first=None), data, data, FOLDED, progress=False)
    assert run.losses != alone.losses


def test_a_second_run_goes_on_without_the_first_one(monkeypatch, tmp_path):
    data, path, steps = squares(20), tmp_path / "run.pt", []
    whole = train(SECOND, data, data, FOLDED, progress=False)
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        interrupting(patch, "__call__", 11, SystemExit)  # six steps of the first run, three of an epoch, and two
        train(SECOND, data, data, FOLDED, progress=False, checkpoint=path)
    (tmp_path / "run.pt.first").unlink()  # what the first run left is not needed any more
    plain = Step.__call__
    monkeypatch.setattr(Step, "__call__", lambda *args: (steps.append(1), plain(*args))[1])
    resumed = train(SECOND, data, data, FOLDED, progress=False, checkpoint=path)
    assert len(steps) == 3 and resumed.losses == whole.losses and resumed.before == whole.before
    assert all(torch.equal(a, b) for a, b in zip(whole.net.parameters(), resumed.net.parameters()))


def test_a_first_run_goes_on_too_and_its_interruption_ends_both(monkeypatch, tmp_path):
    data, path, steps = squares(20), tmp_path / "run.pt", []
    whole = train(SECOND, data, data, FOLDED, progress=False)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupting(patch, "__call__", 5)
        train(SECOND, data, data, FOLDED, progress=False, checkpoint=path)
    plain = Step.__call__
    monkeypatch.setattr(Step, "__call__", lambda *args: (steps.append(1), plain(*args))[1])
    assert train(SECOND, data, data, FOLDED, progress=False, checkpoint=path).losses == whole.losses
    assert len(steps) == 3 + 6  # the first run's second epoch, then all of the second run


@pytest.mark.parametrize("init", INITIALISATIONS)
def test_a_run_starts_from_its_initialisation(init):
    recipe = replace(TINY, init=init, seed=2)
    run = train(recipe, squares(8), squares(8), FOLDED, progress=False)
    torch.manual_seed(2)
    assert run.before == examine(INITIALISATIONS[init](build(TINY.variant)), squares(8), FOLDED)


def test_the_minutes_of_a_run_are_estimated_and_nothing_drawn():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    once = minutes(TINY, 1000, FOLDED)
    assert torch.equal(torch.get_rng_state(), before)
    assert 0 < once < 5


def test_minutes_follow_the_clock(monkeypatch):
    """Three steps that take 3 seconds by a stopped clock are a second each."""
    monkeypatch.setattr(training, "stopwatch", lambda device: lambda: 3.0)
    assert minutes(TINY, 20, FOLDED) == pytest.approx(3 / 60)  # 3 steps an epoch, the last one smaller
    assert minutes(replace(TINY, num_epochs=10), 24, FOLDED) == pytest.approx(30 / 60)


@pytest.mark.parametrize("bad, message", [
    ({"lr": 0}, r"lr must be above zero \(the section's is 0.1\), not 0"), ({"lr": -0.1}, "not -0.1"),
    ({"lr": math.nan}, "lr must be"),
    ({"num_epochs": 0}, "at least 1, not 0"), ({"num_epochs": -3}, "not -3"), ({"batch_size": 0}, "batch_size"),
    ({"init": "zeros"}, "xavier, kaiming"), ({"schedule": "step"}, "constant, cosine, one-cycle"),
    ({"warmup": -1}, "warmup must be 0 steps or more, not -1"),
    ({"first": Recipe(variant=Variant(width=0.5))}, "must train the same variant")])
def test_bad_recipes(bad, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**bad)


def test_enlarged_images_are_refused_with_the_shape_wanted():
    data = squares(4)
    wrong = Split(torch.zeros(4, 3, 28, 28, dtype=torch.uint8), data.labels)
    with pytest.raises(ValueError, match="28"):
        train(SMALL, wrong, data, FOLDED, progress=False)


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_run_goes_on_from_its_last_epoch(epochs, monkeypatch, tmp_path):
    data, path = squares(20), tmp_path / "run.pt"
    recipe = replace(SMALL, variant=Variant(width=0.125), num_epochs=4, shift=1, flips=True)  # with dropout
    whole = train(recipe, data, data, FOLDED, progress=False, watch=WATCH)
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        interrupting(patch, "examine", epochs + 2, SystemExit)  # in the middle, as a lost machine
        train(recipe, data, data, FOLDED, progress=False, checkpoint=path, watch=WATCH)
    torch.manual_seed(99)
    resumed = train(recipe, data, data, FOLDED, progress=False, checkpoint=path, watch=WATCH)
    assert resumed.gradients == whole.gradients and len(whole.gradients["4.4.weight"]) == len(whole.losses)
    assert (resumed.before, resumed.examined) == (whole.before, whole.examined) and len(whole.examined) == 4
    assert resumed.losses == whole.losses and [epoch["epoch"] for epoch in resumed.history] == [1, 2, 3, 4]
    assert all(torch.equal(a, b) for a, b in zip(whole.net.parameters(), resumed.net.parameters()))
    finished = train(recipe, data, data, FOLDED, progress=False, checkpoint=path, watch=WATCH)
    assert finished.gradients == whole.gradients and finished.losses == whole.losses
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_of_something_else_is_refused_and_kept(tmp_path):
    data, path = squares(16), tmp_path / "run.pt"
    train(SMALL, data, data, FOLDED, progress=False, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="with another watch or of another device than cpu: delete it"):
        train(replace(SMALL, seed=1), data, data, FOLDED, progress=False, checkpoint=path)
    with pytest.raises(ValueError, match="another recipe, of other data"):
        train(SMALL, squares(24), data, FOLDED, progress=False, checkpoint=path)
    with pytest.raises(ValueError, match="with another watch"):
        train(SMALL, data, data, FOLDED, progress=False, checkpoint=path, watch=("4.4.weight",))
    assert path.read_bytes() == before
    for broken in (b"", before[:500], b"weights"):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"run\.pt is no checkpoint of a run"):
            train(SMALL, data, data, FOLDED, progress=False, checkpoint=path)


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

    plain = Step.__call__

    def call(self, images, labels, lr):
        steps.append(lr)
        return tuple(value.as_subclass(OnGPU) for value in plain(self, images, labels, lr))

    monkeypatch.setattr(Step, "__call__", call)
    run = train(SMALL, data, data, FOLDED, progress=False, watch=watch)
    assert len(steps) == 5 and reads and set(reads) == {5}
    assert [len(values) for values in run.gradients.values()] == [5] * len(watch)


@pytest.mark.parametrize("diverges_at", [1, 3, 5])
def test_a_loss_that_is_read_late_still_says_where_it_broke(diverges_at):
    losses = torch.tensor([2.3, 2.2, 2.1, 2.0, 1.9])
    losses[diverges_at - 1:] = math.nan
    run = training.Run(SECTION, step=None, train_images=640, history=[{}])
    with pytest.raises(Diverged, match=f"at step {diverges_at} of epoch 2") as caught:
        training._check(run, list(losses))
    assert caught.value.run is run and run.losses == losses[:diverges_at - 1].tolist()


def test_relabelled_garments_have_other_classes_and_nothing_else_changes():
    data, recipe = squares(20), replace(SMALL, relabel=3)
    moved = relabelled(data, recipe)
    assert moved.labels.tolist() == [(label + 3) % 10 for label in data.labels.tolist()]
    assert moved.images is data.images and relabelled(data, SMALL) is data
    by_recipe, by_hand = train(recipe, data, data, FOLDED, False), train(SMALL, moved, moved, FOLDED, False)
    assert by_recipe.losses == by_hand.losses and by_recipe.examined == by_hand.examined
    assert by_recipe.losses != train(SMALL, data, data, FOLDED, False).losses
    with pytest.raises(ValueError, match="relabel must lie between 0 and 9, not 10"):
        replace(SMALL, relabel=10)
