"""The figure "curves": on the real pages, and on a page made here from made-up runs."""

import shutil

import pytest

import made_up
import recorded_runs
import visiting
from nin.runs import read
from visiting import Visit

STUDIES = ("training", "exercise-1-tuning", "exercise-2-one-by-one", "exercise-4-one-step")  # each on its page
LABELS = ("no 1×1", "one 1×1", "two 1×1s", "three 1×1s", "two 3×3s", "a sixth")
PAGE = """<!DOCTYPE html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8"><title>Made up</title>
<meta name="viewport" content="width=device-width">{styles}
<script src="_static/figures.js"></script></head><body><main class="bd-article">
<div data-figure="curves" data-study="made-up"><em>A figure.</em></div></main></body></html>"""
COLOURS = {"light": "--pst-color-background: #fff; --pst-color-surface: #f3f4f5; --pst-color-text-base: #222832",
           "dark": "--pst-color-background: #14181e; --pst-color-surface: #29313d; --pst-color-text-base: #ced6dd"}


@pytest.fixture
def runs():
    """Six variants of five seeds; of the second one seed 4 collapsed, of the fourth all."""
    return [told(label, seed, accuracy=0.8 + number / 100 + seed / 1000, epochs=3,
                 collapsed=(number == 1 and seed == 4) or number == 3)
            for seed in range(5) for number, label in enumerate(LABELS)]


def told(label, seed, **more):
    """A made-up run as nin.runs.read gives it."""
    return read.described(made_up.run(label, seed, **more), label, "pocket")


@pytest.fixture
def visit(browser, tmp_path, monkeypatch, runs):
    """Opens the page of made-up runs: visit(runs=..., width=..., scheme=...)."""
    opened = []

    def open_page(shown=runs, scheme="light", held_out=False, **options):
        built = visiting.HTML / "_static"
        for name in ("figures.js", "book.css", "figures/curves.js", "figures/curves.css"):
            target = tmp_path / "_static" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(built / name, target)
        text = recorded_runs.script("made-up", [recorded_runs.drawn(run, held_out) for run in shown])
        (tmp_path / "_static/figures/runs-made-up.js").write_text(text)
        styles = f"<style>:root {{{COLOURS[scheme]}; --pst-color-border: #8a8f98}}</style>" + "".join(
            f'<link rel="stylesheet" href="_static/{name}">' for name in ("book.css", "figures/curves.css"))
        (tmp_path / "page.html").write_text(PAGE.format(theme=scheme, styles=styles), encoding="utf-8")
        monkeypatch.setattr(visiting, "HTML", tmp_path)
        opened.append(Visit(browser, "page.html", scheme=scheme, **options))
        return opened[-1]

    yield open_page
    for one in opened:
        one.__exit__()
        assert one.complaints == [] and one.remote() == []


def paths(figure, *classes):
    """How many lines of the drawing have all these classes."""
    return figure.locator("".join(["path", *(f".fig-curves-{name}" for name in classes)])).count()


def table(figure):
    """The table's rows as lists of texts."""
    return [row.locator("th, td").all_text_contents() for row in figure.locator("tbody tr").all()]


@pytest.mark.parametrize("study", STUDIES)
def test_on_the_real_pages(browser, study):
    with Visit(browser, f"{study}.html", width=390) as visit:
        figure = visit.figure("curves")
        assert figure.get_attribute("data-study") == study
        if any(read.load(study, scale) for scale in ("pocket", "full")):
            assert paths(figure) > 0
        else:
            assert figure.locator("p").inner_text() == (
                f"Not yet recorded. In book/: python -m nin record {study}")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.violations("[data-figure=curves]") == []
        assert visit.complaints == [] and visit.remote() == []


def test_without_scripts_the_sentence_stands(browser):
    with Visit(browser, "exercise-2-one-by-one.html", scripts=False) as visit:
        assert "In the HTML book" in visit.page.locator("[data-figure=curves] em").inner_text()


def test_a_number_stands_where_its_lines_end(visit):
    """Shorter runs are not drawn on to the edge, where steps that they never took would be."""
    some = [told(label, seed, epochs=epochs) for seed in range(2) for label, epochs in (("ten", 3), ("eighty", 24))]
    figure = visit(some).figure("curves")
    ends = dict(figure.locator("path").evaluate_all(
        "all => all.map(one => [one.dataset.variant, one.getPointAtLength(one.getTotalLength()).x])"))
    numbers = dict(figure.locator("text[data-number]").evaluate_all(
        "all => all.map(one => [one.dataset.number, Number(one.getAttribute('x'))])"))
    assert set(numbers) == {"1", "2"} and ends["1"] < ends["2"] / 4
    assert all(0 < numbers[number] - ends[number] < 30 for number in numbers)
    pointers = figure.locator("svg[role=img] line[stroke]").evaluate_all("all => all.map(one => one.x2.baseVal.value)")
    assert all(0 < number - pointer < 10 for pointer, number in
               zip(sorted(pointers), sorted(numbers.values()), strict=True))


def test_all_runs_of_the_chosen_variants(visit):
    figure = visit().figure("curves")
    assert figure.locator(".figure-title").inner_text() == "30 recorded runs"
    assert paths(figure) == 20  # the first four variants of six
    figure.get_by_label("6 a sixth").check()
    assert paths(figure) == 25
    figure.get_by_role("button", name="All").click()
    assert paths(figure) == 30
    figure.get_by_role("button", name="None").click()
    assert paths(figure) == 0
    figure.get_by_label("2 one 1×1").check()
    assert paths(figure) == 5
    assert figure.locator("path").evaluate_all("all => all.map(one => one.dataset.seed)") == ["0", "1", "2", "3", "4"]


def test_recipes_make_groups(visit):
    """Labels as those of exercises 2 and 4: the variants of one recipe can be chosen alone."""
    some = [told(f"{label}, {recipe}", seed) for seed in range(2)
            for recipe in ("the section's recipe", "a sound recipe") for label in LABELS]
    figure = visit(some).figure("curves")
    legends = ["Variants, the section's recipe", "Variants, a sound recipe"]
    assert figure.locator("legend").all_text_contents() == legends
    figure.get_by_role("button", name="Only a sound recipe").click()
    assert set(figure.locator("path").evaluate_all("all => all.map(one => +one.dataset.variant)")) == set(range(7, 13))
    colours = figure.locator("label line").evaluate_all("all => all.map(one => one.getAttribute('stroke'))")
    assert colours[:6] == colours[6:] and len(set(colours)) == 6


def test_runs_that_did_not_end_clean_are_dashed_and_counted_in_words(visit, runs):
    figure = visit().figure("curves")
    assert paths(figure, "unclean") == 6
    dash = figure.locator("path.fig-curves-unclean").first.evaluate("one => getComputedStyle(one).strokeDasharray")
    assert dash != "none"
    for number, row in enumerate(read.summarise(runs), start=1):
        assert figure.get_by_text(f"{number} {row['label']}: {row['clean']} of {row['n']} clean").count() == 1
    assert "6 of 20 chosen runs did not end clean" in figure.locator("[aria-live]").inner_text()
    figure.get_by_label("did not end clean").uncheck()
    assert paths(figure) == 14 and paths(figure, "unclean") == 0


def test_the_numbers_are_those_of_the_chapter(visit, runs):
    figure = visit().figure("curves")
    figure.get_by_role("button", name="All").click()
    figure.locator("summary").click()
    rows = table(figure)
    for number, (shown, row) in enumerate(zip(rows, read.summarise(runs), strict=True), start=1):
        mean = f"{100 * row['interval'].mean:.2f}%" if row["interval"] else "–"
        assert shown == [f"{number} {row['label']}", f"{row['clean']} of {row['n']}", mean]


def test_a_curve_is_where_its_values_are(visit, runs):
    """The end of a line, read back from the axis, is the last accuracy of its run."""
    figure = visit().figure("curves")
    figure.get_by_label("Show").select_option("test_acc")
    figure.get_by_label("did not end clean").uncheck()
    ticks = figure.locator("svg[role=img] text[text-anchor=end]").evaluate_all(
        "all => all.map(one => [parseFloat(one.textContent) / 100, one.getAttribute('y') - 4])")
    (low, bottom), (high, top) = ticks[0], ticks[-1]
    for line in figure.locator("path").all():
        seed, number = int(line.get_attribute("data-seed")), int(line.get_attribute("data-variant"))
        end = float(line.get_attribute("d").split(",")[-1])
        expected = next(run for run in runs if run["label"] == LABELS[number - 1]
                        and run["recipe"]["seed"] == seed)["history"][-1]["test_acc"]
        assert low + (high - low) * (end - bottom) / (top - bottom) == pytest.approx(expected, abs=0.002)


def test_a_seed_by_keys_alone(visit, runs):
    opened = visit()
    figure, keys = opened.figure("curves"), opened.page.keyboard
    figure.get_by_label("Seed").focus()
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    assert figure.get_by_label("Seed").input_value() == "1"
    assert paths(figure, "marked") == 4 and paths(figure, "pale") == 16
    assert "Seed 1 stands out, with 4 of them" in figure.locator("[aria-live]").inner_text()
    keys.press("ArrowLeft")
    keys.press("ArrowDown")  # the list's own key
    assert figure.get_by_label("Seed").input_value() == "1"
    assert [row[-1] for row in table(figure)][0] == f"{100 * runs[6]['history'][-1]['test_acc']:.2f}%"
    assert [row[-1] for row in table(figure)][3] == "10.00%, collapsed"
    keys.press("ArrowLeft")
    keys.press("ArrowLeft")
    keys.press("ArrowLeft")
    assert figure.get_by_label("Seed").input_value() == "" and paths(figure, "pale") == 0


def test_the_controls_by_keys_alone(visit):
    opened = visit()
    figure, keys = opened.figure("curves"), opened.page.keyboard
    figure.get_by_label("Show").focus()
    keys.press("ArrowDown")
    assert figure.get_by_label("Show").input_value() == "loss"
    for _ in range(3):
        keys.press("Tab")  # seed, the runs that did not end clean, the first variant
    keys.press("Space")
    assert paths(figure) == 15 and not figure.get_by_label("1 no 1×1").is_checked()


def test_a_press_on_a_line_singles_out_its_seed(visit):
    opened = visit()
    figure = opened.figure("curves")
    figure.get_by_role("button", name="None").click()
    figure.get_by_label("1 no 1×1").check()
    x, y = figure.locator("path[data-seed='4']").evaluate(
        "one => { const p = one.getPointAtLength(one.getTotalLength() / 2).matrixTransform(one.getScreenCTM());"
        " return [p.x, p.y]; }")
    opened.page.mouse.click(x, y)
    assert figure.get_by_label("Seed").input_value() == "4" and paths(figure, "marked") == 1
    box = figure.locator("svg[role=img]").bounding_box()
    opened.page.mouse.click(box["x"] + box["width"] - 60, box["y"] + 20)  # far from every line
    assert figure.get_by_label("Seed").input_value() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_accessible_at_every_width(visit, width, scheme):
    opened = visit(width=width, scheme=scheme)
    figure = opened.figure("curves")
    figure.locator("summary").click()
    figure.get_by_label("Seed").select_option("2")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.violations("[data-figure=curves]") == []
    for control in figure.locator("button, select, label, summary").all():
        assert control.bounding_box()["height"] >= 24


def test_one_run_of_one_epoch_and_a_diverged_one(visit):
    lone = told("alone", 0, epochs=1)
    bad = read.described({**made_up.run("bad", 0), "history": [], "losses": [], "diverged": "step 3"}, "bad", "pocket")
    figure = visit([lone, bad]).figure("curves")
    for metric in ("losses", "loss", "train_acc", "test_acc"):
        figure.get_by_label("Show").select_option(metric)
        assert paths(figure) == 1
    assert "1 of 2 chosen runs did not end clean" in figure.locator("[aria-live]").inner_text()


def test_held_out_images_are_named(visit, runs):
    opened = visit(runs, held_out=True, width=390)
    figure = opened.figure("curves")
    assert "accuracy on held-out images, by epoch" in figure.get_by_label("Show").locator("option").all_text_contents()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390  # the longest choice fits, too
