"""The scale: which one is chosen, what it cuts, and how the machine is named."""

from dataclasses import replace

import pytest
import torch

from nin import costs, scale
from nin.model import build
from nin.recipes import SECTION, Variant, change


@pytest.fixture(autouse=True)
def no_cuts(monkeypatch):
    for name in ("NIN_IMAGES", "NIN_EPOCHS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def gpu(monkeypatch):
    """Sets whether there is a GPU."""
    return lambda there: monkeypatch.setattr(torch.cuda, "is_available", lambda: there)


@pytest.mark.parametrize("name", ["huge", "taste"])
def test_an_unknown_scale_is_named_with_the_known_ones(name, monkeypatch):
    monkeypatch.setenv("NIN_SCALE", name)
    with pytest.raises(ValueError, match=f"full, pocket, smoke, not '{name}'"):
        scale.current()


@pytest.mark.parametrize("there, name", [(True, "full"), (False, "pocket")])
def test_the_machine_decides_where_nothing_is_set(monkeypatch, gpu, there, name):
    monkeypatch.delenv("NIN_SCALE", raising=False)
    gpu(there)
    assert scale.current().name == name


def test_full_changes_nothing():
    full, loader = scale.SCALES["full"], [1, 2, 3]
    assert full.fit(SECTION) == full.live(SECTION) == SECTION and full.variant(Variant()) == Variant()
    assert full.limit(loader) is loader and list(full.seeds(8)) == list(range(8))
    assert (full.train_images, full.test_images, full.epochs(80), full.batch_size(128)) == (60_000, 10_000, 80, 128)


def test_the_pocket_network_is_a_53rd_of_the_sections():
    def macs(variant):
        return sum(row.macs for row in costs.layers(build(variant), (1, 1, variant.side, variant.side)))

    variant = scale.SCALES["pocket"].variant(Variant())
    net = build(variant)
    assert costs.parameter_count(net) == 131_494 and (variant.side, variant.cells) == (28, 16)
    assert [net[i][0].out_channels for i in (0, 2, 4, 7)] == [24, 64, 96, 10]
    assert macs(variant) == pytest.approx(14.26e6, abs=5e3)
    assert macs(Variant()) / macs(variant) == pytest.approx(53, abs=0.9)
    assert scale.SCALES["pocket"].variant(Variant(width=2.0, head="3x3")) == Variant(width=0.5, head="3x3", native=True)


def test_pocket_cuts_the_network_and_the_epochs_of_a_cell_alone():
    pocket = scale.SCALES["pocket"]
    assert pocket.fit(SECTION) == change(SECTION, native=True, width=0.25)
    assert pocket.live(SECTION) == replace(pocket.fit(SECTION), num_epochs=3)
    assert pocket.live(replace(SECTION, num_epochs=2)).num_epochs == 2
    assert (pocket.epochs(10), pocket.epochs(10, patient=True)) == (3, 5)
    assert (pocket.train_images, pocket.test_images, pocket.limit("abc")) == (60_000, 10_000, "abc")
    assert "pocket network" in str(pocket) and "60,000 training" in str(pocket)


def test_smoke_cuts_everything():
    smoke = scale.SCALES["smoke"]
    small = change(SECTION, native=True, width=0.25, num_epochs=1, batch_size=8)
    assert smoke.fit(SECTION) == smoke.live(SECTION) == small
    assert (smoke.train_images, smoke.test_images, list(smoke.seeds(9))) == (48, 48, [0, 1])


def test_a_first_run_is_fitted_too():
    recipe = replace(SECTION, first=replace(SECTION, lr=0.2))
    for name in ("smoke", "pocket", "full"):
        fitted = scale.SCALES[name].fit(recipe)
        assert fitted.first == scale.SCALES[name].fit(recipe.first)
        assert fitted == replace(scale.SCALES[name].fit(SECTION), first=fitted.first)


def test_limit_can_be_iterated_again():
    first = scale.SCALES["smoke"].limit(range(100))
    assert len(first) == 5 and list(first) == list(first) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["full", "pocket"])
def test_two_variables_cut_any_scale_down(name, monkeypatch):
    monkeypatch.setenv("NIN_SCALE", name)
    whole = scale.current()
    monkeypatch.setenv("NIN_IMAGES", "300")
    cut = scale.current()
    assert (cut.train_images, cut.test_images, len(cut.limit(range(469)))) == (300, 300, 5)
    assert cut.fit(SECTION) == replace(whole.fit(SECTION), batch_size=60) and "300 training" in str(cut)
    monkeypatch.setenv("NIN_EPOCHS", "2")
    cut = scale.current()
    assert cut.fit(SECTION) == replace(whole.fit(SECTION), num_epochs=2, batch_size=60) == cut.live(SECTION)
    monkeypatch.setenv("NIN_EPOCHS", "1000")
    monkeypatch.setenv("NIN_IMAGES", "1000000")  # cuts down, never up
    cut = scale.current()
    assert (cut.train_images, cut.test_images, cut.epochs(80)) == (60_000, 10_000, whole.epochs(80))
    assert cut.fit(SECTION) == whole.fit(SECTION) and len(cut.limit(range(469))) == 469
    monkeypatch.setenv("NIN_EPOCHS", "")
    monkeypatch.setenv("NIN_IMAGES", "")
    assert scale.current() == whole


@pytest.mark.parametrize("name", ["NIN_IMAGES", "NIN_EPOCHS"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "ten", " 3", "²"])
def test_a_cut_that_is_no_whole_number_is_refused(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"{name} must be a whole number above zero, not '{value}'"):
        scale.current()


@pytest.mark.parametrize("with_gpu", [False, True])
def test_only_the_sections_network_is_worth_a_checkpoint(monkeypatch, gpu, tmp_path, with_gpu):
    monkeypatch.setattr(scale, "__file__", str(tmp_path / "book" / "nin" / "scale.py"))
    gpu(with_gpu)
    assert [scale.SCALES[name].checkpoint("a") for name in ("pocket", "smoke")] == [None, None]
    path = scale.SCALES["full"].checkpoint("a")
    assert path.parent.is_dir() and path.parent.is_relative_to(tmp_path) and not path.exists()
    assert path != scale.SCALES["full"].checkpoint("b")


INTEL = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.20GHz\nflags\t\t: fpu vme\n"
AMD = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nflags\t\t: fpu vme\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU part\t: 0xd0c\n"


@pytest.mark.parametrize("text, name", [
    (INTEL, "Intel(R) Xeon(R) CPU @ 2.20GHz"), (AMD, "AMD EPYC, family 25, model 17"), (ARM, "0xd0c"),
    ("nothing known", "an unknown one")])
def test_the_cpu_is_named_as_the_system_names_it(text, name, monkeypatch):
    monkeypatch.setattr(scale.Path, "read_text", lambda path: text)
    for system, answer in (("system", "Linux"), ("processor", "an unknown one")):
        monkeypatch.setattr(scale.platform, system, lambda answer=answer: answer)
    assert scale.cpu_name.__wrapped__() == name


def test_the_device_is_the_gpu_or_the_cpu_with_its_threads(monkeypatch, gpu):
    gpu(False)
    monkeypatch.setattr(scale, "cpu_name", lambda: "EPYC 9")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert scale.device_name() == "CPU (EPYC 9, 2 threads)" and scale.device_name(1) == "CPU (EPYC 9, 1 thread)"
    assert str(scale.device()) == "cpu" and "device CPU (EPYC 9, 2 threads)" in scale.about()
    gpu(True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"GPU {number}")
    assert scale.device_name() == "GPU 0" and str(scale.device()) == "cuda:0"
