"""One step, with and without each lever: the same numbers."""

import copy
import itertools
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from nin import step as step_module
from nin.data import Split
from nin.model import build, last_of_body
from nin.recipes import SOUND, Variant
from nin.step import Speed, Step, bf16_pays, fastest, forward, keep_freed_memory
from nin.training import train

SMALL = replace(SOUND, variant=Variant(width=0.125, linear_logits=True, batch_norm=True, dropout=0.5), num_epochs=2,
                batch_size=8, weight_decay=1e-3)
FOLDED = Speed(fold=True)


def data(n):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return Split(images, torch.arange(n) % 10)


def weights_after(speed, **changes):
    """A run of two epochs, each of two batches of 8 and a last one of 4."""
    return train(replace(SMALL, **changes), data(20), data(8), speed, progress=False)


def same(a, b, **tolerance):
    pairs = list(zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    return all(torch.allclose(x.float(), y.float(), **tolerance) for x, y in pairs)


@pytest.fixture
def captured(monkeypatch):
    """CUDA graphs without a GPU: the 'graph' is the step itself on the graph's inputs, and writes to its outputs."""
    captures = []

    def capture(self):
        types = (torch.float32, torch.int64, *(torch.float32 for _ in self.watched))
        outputs = tuple(torch.zeros((), dtype=dtype) for dtype in types)
        captures.append(self)

        def replay():
            for output, value in zip(outputs, self._plain(*self.inputs), strict=True):
                output.copy_(value)

        return outputs, replay

    monkeypatch.setattr(Step, "_capture", capture)
    return captures


@pytest.mark.parametrize("speed", [
    replace(FOLDED, keep_memory=True), replace(FOLDED, autotune=True), replace(FOLDED, fused=True)])
def test_levers_of_the_process_and_of_the_update_change_nothing(speed):
    assert same(weights_after(speed).net, weights_after(FOLDED).net, rtol=1e-5, atol=1e-7)


def test_momentum_from_zero_is_torchs_own():
    run, recipe = weights_after(FOLDED, schedule="constant"), replace(SMALL, schedule="constant")
    step = Step(recipe, FOLDED, "cpu")
    step.start(recipe)
    step.optimizer.state.clear()  # torch begins with no buffer at all
    step.net.train()
    ours = Step(recipe, FOLDED, "cpu")
    ours.start(recipe)
    ours.net.train()
    examples = data(8)
    for _ in range(3):
        losses = []
        for each in (step, ours):
            torch.manual_seed(1)
            losses.append(each(examples.images, examples.labels, 0.05)[0])
        assert torch.equal(*losses)
    assert same(step.net, ours.net, rtol=0, atol=0) and not same(run.net, ours.net)


@pytest.mark.parametrize("watch", [(), ("4.6.weight", "7.0.bias")])
def test_the_captured_step_is_fed_and_read_as_the_plain_one(captured, watch):
    speed, plain = replace(FOLDED, graph=True, fused=True), replace(FOLDED, fused=True)
    steps = {name: Step(SMALL, each, "cpu", watch) for name, each in (("graph", speed), ("plain", plain))}
    results = {}
    for name, step in steps.items():
        step.start(SMALL)
        step.net.train()
        results[name] = [step(data(20).images[i:i + 8], data(20).labels[i:i + 8], lr)
                         for lr in (0.05, 0.01, 0.03) for i in (0, 8, 16)]  # 16: a last batch of 4
    assert len(captured) == 1 and steps["graph"].optimizer.param_groups[0]["lr"].item() == pytest.approx(0.03)
    assert results["graph"] == results["plain"] and all(len(result) == 2 + len(watch) for result in results["graph"])
    assert same(steps["graph"].net, steps["plain"].net, rtol=0, atol=0)
    steps["graph"].start(replace(SMALL, seed=1))
    steps["graph"](data(8).images, data(8).labels, 0.1)
    assert len(captured) == 1  # the next run replays the first run's graph


@pytest.mark.parametrize("changes", [{}, {"batch_norm": False, "num_1x1": 0}, {"head": "fc-hidden"}, {"depth": 2}])
def test_a_watched_parameter_is_measured_before_its_update(changes):
    """Against autograd on the plain forward pass, for the last convolution of several bodies."""
    recipe = replace(SMALL, variant=replace(SMALL.variant, dropout=0.0, **changes))
    name, examples = last_of_body(build(recipe.variant)), data(8)
    step = Step(recipe, Speed(), "cpu", (name,))
    step.start(recipe)
    step.net.train()
    step(examples.images, examples.labels, 0.05)
    net, before = copy.deepcopy(step.net), dict(step.net.named_parameters())[name].detach().clone()
    gradient, = torch.autograd.grad(nn.functional.cross_entropy(forward(net, examples.images), examples.labels),
                                    dict(net.named_parameters())[name])
    _, _, relative = step(examples.images, examples.labels, 0.05)
    assert not torch.equal(dict(step.net.named_parameters())[name], before)
    assert relative.item() == pytest.approx((gradient.norm() / before.norm()).item(), rel=1e-4) and relative > 0
    assert not relative.requires_grad


def test_watching_changes_nothing_else():
    plain, watched = (train(SMALL, data(20), data(8), FOLDED, progress=False, watch=watch)
                      for watch in ((), ("4.6.weight",)))
    assert watched.losses == plain.losses and same(watched.net, plain.net, rtol=0, atol=0)
    assert plain.gradients == {} and list(map(len, watched.gradients.values())) == [len(watched.losses)]


def test_an_unknown_parameter_cannot_be_watched():
    with pytest.raises(ValueError, match=r"no parameter is named 9\.weight: watch some of 0\.0\.weight, 0\.0\.bias"):
        Step(SMALL, FOLDED, "cpu", ("9.weight",))


def test_a_state_can_be_restored():
    step, examples = Step(SMALL, FOLDED, "cpu"), data(8)
    step.start(SMALL)
    step.net.train()
    step(examples.images, examples.labels, 0.05)
    state, random = step.state(), torch.get_rng_state()
    after = step(examples.images, examples.labels, 0.05)
    step.restore(state)
    torch.set_rng_state(random)
    assert step(examples.images, examples.labels, 0.05) == after


def test_a_graph_without_a_gpu_is_refused():
    with pytest.raises(ValueError, match="needs a CUDA device, not cpu: leave out graph=True"):
        weights_after(Speed(graph=True))


def test_the_process_is_left_as_it_was(monkeypatch):
    calls = []
    monkeypatch.setattr(step_module, "keep_freed_memory", calls.append)
    before = torch.backends.cudnn.benchmark
    with pytest.raises(KeyError), Speed(keep_memory=True, autotune=not before).applied():
        assert torch.backends.cudnn.benchmark is not before and calls == [True]
        raise KeyError
    assert torch.backends.cudnn.benchmark is before and calls == [True, False]


def test_another_c_library_is_left_alone(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(step_module.ctypes, "CDLL", missing)
    keep_freed_memory(True)


def test_the_fastest_levers_fit_the_device(monkeypatch):
    assert str(Speed()) == "none" and str(Speed(fold=True, bf16=True)) == "fold, bf16"
    monkeypatch.delenv("NIN_PRECISION", raising=False)
    assert fastest("cpu").keep_memory and not fastest("cpu").graph
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert fastest("cuda").bf16 and not fastest("cuda").keep_memory


@pytest.fixture
def clock(monkeypatch):
    """A clock on which a pass in float32 takes 1 second, and those in bfloat16 as asked; the choice is made anew."""
    def stopped(*bf16_seconds):
        # Each pass reads the clock before and after it: the two of the warm-up, then float32 and bfloat16 in turn.
        passes = itertools.chain([1.0, 1.0], itertools.chain.from_iterable((1.0, s) for s in bf16_seconds))
        now = itertools.accumulate(itertools.chain.from_iterable((0.0, seconds) for seconds in passes))
        monkeypatch.setattr(step_module, "time", SimpleNamespace(process_time=lambda: next(now)))

    bf16_pays.cache_clear()
    yield stopped
    bf16_pays.cache_clear()


@pytest.mark.parametrize("seconds, pays", [
    ([0.5] * 9, True), ([2.0] * 9, False), ([1.0] * 9, False), ([0.86] * 9, True), ([0.88] * 9, False),  # 1 / 1.15
    ([0.5] * 5 + [9.0] * 4, True), ([0.1] * 4 + [1.0] * 5, False)])  # by the median
def test_the_clock_decides_on_bfloat16(clock, seconds, pays, monkeypatch):
    monkeypatch.delenv("NIN_PRECISION", raising=False)
    clock(*seconds)
    assert bf16_pays() is pays
    assert bf16_pays() is fastest("cpu").bf16 is pays  # the clock has stopped: the choice is made once a process


def test_each_pass_is_in_the_precision_that_it_stands_for(clock, monkeypatch):
    clock(*[0.5] * 9)
    types, plain = [], nn.Conv2d.forward

    def forward(self, x):
        y = plain(self, x)
        types.append((tuple(self.weight.shape), tuple(x.shape), y.dtype))
        return y

    monkeypatch.setattr(nn.Conv2d, "forward", forward)
    bf16_pays()
    shape = (64, 24, 5, 5), (64, 24, 14, 14)  # the pocket network's second 5×5 convolution
    assert types == [(*shape, torch.float32), (*shape, torch.bfloat16)] * 10


def test_to_decide_leaves_random_numbers_and_threads_as_they_were(clock, monkeypatch):
    clock(*[0.5] * 9)
    threads = [3]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    bf16_pays()
    assert torch.equal(torch.get_rng_state(), before) and threads[-1] == 3


def test_it_can_be_decided_where_gradients_are_off(clock):
    clock(*[0.5] * 9)
    with torch.no_grad():
        assert bf16_pays()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_precision_can_be_asked_for(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    for asked in ("float32", "bfloat16"):
        monkeypatch.setenv("NIN_PRECISION", asked)
        for pays in (True, False):
            monkeypatch.setattr(step_module, "bf16_pays", lambda pays=pays: pays)
            assert fastest(device).bf16 is (asked == "bfloat16")
    monkeypatch.setenv("NIN_PRECISION", "fp16")
    with pytest.raises(ValueError, match="must be float32 or bfloat16, not 'fp16'"):
        fastest(device)
