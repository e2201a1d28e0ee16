"""The page that trains, driven in Chromium: every control, the duels, its quiet, its size, what it leaves behind."""

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from nin import outcome
from nin.data import CLASSES
from nin.runs import tiny
from nin.runs.read import cases
from visiting import HTML, Visit

PAGE = "train-yourself.html"
LIMIT = 4_000_000  # bytes: page, data and code, without what all pages share and a browser loads once
DUELS = ("Why does it not start?", "One ReLU too many", "None, one, two, three", "Half the learning rate")
ROOT = "document.querySelector('[data-figure=train]')"


class Trained(Visit):
    """A visit to the page, and its two lanes."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.context.set_default_timeout(60_000)
        self.root = self.figure("train")
        self.settle()

    def button(self, name):
        return self.root.get_by_role("button", name=name, exact=True)

    def lanes(self, field):
        """A field of both lanes."""
        return self.page.evaluate(f"{ROOT}.lanes.map((lane) => lane.{field})")

    def settle(self):
        """Wait until both lanes have answered and stand still."""
        self.page.wait_for_function(f"""() => {ROOT}.dataset.playing === "false"
            && {ROOT}.lanes.every(({{busy, maps}}) => !busy && maps)""")

    def wait_for(self, step, seconds=60):
        """Wait until both lanes have taken so many steps."""
        self.page.wait_for_function(f"(step) => {ROOT}.lanes.every((lane) => lane.step >= step)", arg=step,
                                    timeout=1000 * seconds)

    def told(self, lane, name):
        """A number beside a lane, by the beginning of its name, as text."""
        section = self.root.get_by_role("region", name=f"Lane {lane}")
        term = self.page.locator("dt", has_text=re.compile(f"^{name}"))
        return section.locator("dl > div", has=term).locator("dd").inner_text()

    def maps(self):
        """The pictures of all twenty class maps."""
        return self.root.locator("li canvas").evaluate_all("all => all.map((canvas) => canvas.toDataURL())")

    def run_duel(self, name, option, seconds=120):
        """Choose a duel and an option, play it to its end; the answer's text."""
        self.button(name).click()
        self.settle()
        self.root.locator(".fig-train-question").get_by_label(option).check()
        self.button("Play").click()
        self.root.locator(".fig-train-answer details").first.wait_for(timeout=1000 * seconds)
        self.settle()
        return self.root.locator(".fig-train-answer").inner_text()


@pytest.fixture
def trained(browser):
    with Trained(browser, PAGE) as visit:
        yield visit
        assert visit.complaints == [] and visit.remote() == []


def test_it_stands_ready_at_step_0(trained):
    assert [trained.button(name).get_attribute("aria-pressed") for name in DUELS] == ["true", *3 * ["false"]]
    assert trained.lanes("step") == [0, 0] and trained.told("A", "step") == "0"
    # The text of the first duel: Kaiming begins with fewer dead maps, here and in the table.
    dead = [int(trained.told(lane, "dead maps").split()[0]) for lane in "AB"]
    assert dead[0] > dead[1]


def test_one_step_play_pause_and_start_again(trained):
    trained.button("One step").click()
    trained.settle()
    assert trained.lanes("step") == [1, 1] and trained.told("B", "step") == "1"
    assert [each[-1]["step"] for each in trained.lanes("accuracies")] == [1, 1]
    assert trained.told("A", "held-out") == f"{100 * trained.lanes('examined.accuracy')[0]:.1f}%"
    first = trained.lanes("loss")
    assert trained.told("A", "loss") == f"{first[0]:.3f}" and first[0] != first[1]
    trained.button("Play").click()
    trained.wait_for(41)
    trained.button("Pause").click()
    trained.settle()
    stood, means = trained.lanes("step"), trained.lanes("means")
    trained.page.wait_for_timeout(300)
    assert trained.lanes("step") == stood and stood[0] == stood[1] >= 41  # neither runs ahead
    trained.button("Start again").click()
    trained.settle()
    assert trained.lanes("step") == [0, 0] and trained.lanes("means") == [[], []]
    trained.button("One step").click()
    trained.settle()
    assert trained.lanes("loss") == first
    trained.button("Play").click()
    trained.wait_for(41)
    again = trained.lanes("means")
    assert [each[:2] for each in again] == [each[:2] for each in means]  # the same run, to the last digit


def test_another_seed(trained):
    losses = []
    for step in range(2):
        trained.button("One step").click()
        trained.settle()
        losses.append(trained.lanes("loss"))
        if step == 0:
            trained.button("Another seed").click()
            trained.settle()
    assert losses[0] != losses[1] and trained.root.get_by_label("Seed", exact=True).input_value() == "1"
    trained.root.get_by_label("Seed", exact=True).fill("0")
    trained.root.get_by_label("Seed", exact=True).press("Enter")
    trained.settle()
    trained.button("One step").click()
    trained.settle()
    assert trained.lanes("loss") == losses[0]


CHANGES = [("Initialisation", "Kaiming, zero biases"), ("Logits", "linear"), ("To the class maps", "in one step"),
           ("1×1s in each block", "none"), ("Learning rate", "0.02"), ("Momentum", "0.9"), ("Batch norm", "yes")]


def test_each_choice_changes_its_lane_alone(trained):
    def after_three_steps():
        for _ in range(3):  # momentum is seen in the third
            trained.button("One step").click()
            trained.settle()
        return trained.lanes("loss")

    trained.button("Your own").click()
    trained.settle()
    losses = [after_three_steps()]
    for name, option in CHANGES:
        trained.root.get_by_label(f"{name}, lane A").select_option(option)
        trained.settle()
        assert trained.lanes("step") == [0, 0]
        losses.append(after_three_steps())
    of_a, of_b = zip(*losses)
    assert len(set(of_b)) == 1
    assert all(before != after for before, after in zip(of_a, of_a[1:]))
    assert "none can die" in trained.told("A", "dead maps")


def test_a_choice_ends_the_duel(trained):
    trained.root.get_by_label("Logits, lane A").select_option("linear")
    trained.settle()
    assert trained.button("Your own").get_attribute("aria-pressed") == "true"
    assert trained.root.get_by_role("radio", name="Lane A, Xavier.").count() == 0


def test_the_class_maps_follow_the_garment_and_the_training(trained):
    before = trained.maps()
    trained.root.get_by_role("radio", name="sneaker", exact=True).check()
    trained.page.wait_for_function(f"before => {ROOT}.querySelector('li canvas').toDataURL() !== before", arg=before[0])
    sneaker = trained.maps()
    assert all(new != old for new, old in zip(sneaker, before))
    trained.button("Play").click()
    trained.wait_for(60)
    trained.button("Pause").click()
    trained.settle()
    assert any(new != old for new, old in zip(trained.maps()[10:], sneaker[10:]))
    labels = trained.root.locator("li strong").all_inner_texts()
    assert labels == [*CLASSES, *CLASSES]


def test_a_lane_says_what_only_it_has_and_what_it_answers(trained):
    lanes = [trained.root.get_by_role("region", name=f"Lane {lane}") for lane in "AB"]
    assert "Initialisation: Xavier, torch's biases" in lanes[0].inner_text()
    assert "Kaiming" not in lanes[0].inner_text() and "Initialisation: Kaiming" in lanes[1].inner_text()
    maps = trained.page.evaluate(f"{ROOT}.lanes.map(({{maps}}) => [...maps])")
    for lane, values in zip(lanes, maps):
        sums = [sum(values[i:i + 16]) for i in range(0, 160, 16)]
        assert lane.locator("li.fig-train-best strong").all_inner_texts() == [CLASSES[sums.index(max(sums))]]
        assert lane.locator("strong.fig-train-truth").all_inner_texts() == ["pullover"]
        dead = lane.locator("li", has_text="dead").locator("strong").all_inner_texts()
        assert lane.locator("li.fig-train-dead strong").all_inner_texts() == dead
    trained.root.get_by_label("Initialisation, lane A").select_option("Kaiming, zero biases")
    assert "the same choices in both lanes" in lanes[0].inner_text()


def test_the_counts_beside_the_options_are_of_the_recorded_runs(trained):
    """One duel's are reckoned here in another way; what each duel begins with is what most of its runs do."""
    of = trained.page.evaluate("""() => figures.trainingDuels.map((duel) => figures.trainingCounts(duel,
        {init: "kaiming", linear: false, ones: 2, lr: 0.1}))""")
    assert [each["runs"] for each in of] == 4 * [tiny.SEEDS] == [sum(each["of"]) for each in of]
    lost = {}
    for line in cases("tiny"):
        lost[tuple(line["case"].values())] = len(outcome.lost(line["answered"]))
    pairs = [[lost[seed, "xavier", linear, 2, 0.1] for linear in (False, True)] for seed in range(tiny.SEEDS)]
    assert of[1]["of"] == [sum(a > b for a, b in pairs), sum(a < b for a, b in pairs), sum(a == b for a, b in pairs)]
    points = [each["of"][point] for each, point in zip(of, (1, 0, 0, 1))]
    assert all(2 * point > tiny.SEEDS for point in points)


def test_names_at_the_ends_of_the_curves_stand_apart(trained):
    trained.button("One step").click()
    trained.settle()
    for svg in trained.root.locator(".fig-train-plots svg").all():
        boxes = [text.bounding_box() for text in svg.locator(".fig-train-end").all()]
        assert len(boxes) in (0, 2)
        assert not boxes or abs(boxes[0]["y"] - boxes[1]["y"]) >= 12


def test_a_screen_reader_hears_the_numbers_when_asked(trained):
    spoken = trained.root.locator("[aria-live]")
    trained.button("Play").click()
    trained.wait_for(120)
    assert spoken.count() == 1 and spoken.inner_text() == ""
    trained.button("Say the numbers").click()
    said = spoken.inner_text()
    assert re.match(r"Step \d+\. Lane A has not left ln 10, loss 2\.3\d, \d+\.\d% of the held-out images right; never "
                    r"answered: .+; dead maps: .+ Lane B ", said)
    trained.wait_for(200)
    assert spoken.inner_text() == said


def test_by_keyboard_alone(trained):
    keys = trained.page.keyboard
    trained.button(DUELS[0]).focus()
    keys.press("Tab")
    keys.press("Enter")  # the second duel
    trained.settle()
    assert trained.button(DUELS[1]).get_attribute("aria-pressed") == "true"
    for _ in range(4):
        keys.press("Tab")  # two more duels, "Your own", the options
    keys.press("ArrowDown")
    assert trained.root.get_by_role("radio", name="Lane B, with linear logits.").is_checked()
    keys.press("Tab")
    keys.press("Space")  # Play
    trained.wait_for(10)
    keys.press("Space")  # Pause
    trained.settle()
    stood = trained.lanes("step")[0]
    keys.press("Tab")
    keys.press("Enter")  # One step
    trained.settle()
    assert trained.lanes("step") == 2 * [stood + 1]


def test_it_pauses_in_a_hidden_tab(trained):
    trained.button("Play").click()
    trained.wait_for(10)
    trained.page.evaluate("""() => {
        Object.defineProperty(document, "hidden", {value: true, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    trained.settle()
    stood = trained.lanes("step")
    trained.page.wait_for_timeout(500)
    assert trained.lanes("step") == stood and trained.button("Play").is_visible()


# How long it plays, in seconds, three at most, and how often it is drawn meanwhile: a fast machine ends a run before.
DRAWN = f"""async () => {{
    const {{dataset}} = {ROOT}, start = performance.now(), before = Number(dataset.drawn);
    let seconds = 0, drawn = 0;
    while (dataset.playing === "true" && seconds < 3) {{
        [seconds, drawn] = [(performance.now() - start) / 1000, Number(dataset.drawn) - before];
        await new Promise((resolve) => setTimeout(resolve, 10));
    }}
    return [seconds, drawn];
}}"""


@pytest.mark.parametrize("motion, every", [("reduce", 1), ("no-preference", 0.15)])
def test_it_redraws_once_a_second_where_little_movement_is_wanted(browser, motion, every):
    with Trained(browser, PAGE) as visit:
        visit.page.emulate_media(reduced_motion=motion)
        visit.button("Half the learning rate").click()  # 1,000 steps
        visit.settle()
        visit.root.locator(".fig-train-question").get_by_role("radio").first.check()
        visit.button("Play").click()
        seconds, drawn = visit.page.evaluate(DRAWN)
    print(f"\n{drawn} drawings in {seconds:.1f} seconds")
    assert seconds > 1 and 1 <= drawn <= seconds / every + 2


class Heaps:
    """What the page and the Workers of its lanes hold, in bytes, by Chromium's own tools."""

    def __init__(self, visit):
        self.page, self.session, self.workers, self.answers = visit.page, None, [], {}
        self.session = visit.context.new_cdp_session(visit.page)
        self.session.on("Target.attachedToTarget", lambda event: self.workers.append(event["sessionId"]))
        self.session.on("Target.receivedMessageFromTarget", self.note)
        self.session.send("Target.setAutoAttach", {"autoAttach": True, "waitForDebuggerOnStart": False,
                                                   "flatten": False})

    def note(self, event):
        message = json.loads(event["message"])
        self.answers[event["sessionId"], message.get("id")] = message.get("result")

    def ask(self, worker, number, method):
        """What a Worker answers to a command."""
        message = json.dumps({"id": number, "method": method})
        self.session.send("Target.sendMessageToTarget", {"sessionId": worker, "message": message})
        while (worker, number) not in self.answers:
            self.page.wait_for_timeout(50)
        return self.answers.pop((worker, number))

    def sizes(self):
        """Of the page and of each Worker, after their garbage is collected: objects and what arrays rest on."""
        self.session.send("HeapProfiler.collectGarbage")
        found = [self.session.send("Runtime.getHeapUsage")]
        for worker in self.workers:
            self.ask(worker, 1, "HeapProfiler.collectGarbage")
            found.append(self.ask(worker, 2, "Runtime.getHeapUsage"))
        return [each["usedSize"] + each.get("backingStorageSize", 0) for each in found]


def test_ten_restarts_leave_nothing_behind(browser):
    with Trained(browser, PAGE) as visit:
        heaps = Heaps(visit)

        def once():
            visit.button("Start again").click()
            visit.settle()
            visit.button("Play").click()
            visit.wait_for(30)
            visit.button("Another seed").click()
            visit.settle()

        once()
        before, workers = heaps.sizes(), len(visit.page.workers)
        for _ in range(10):
            once()
        after = heaps.sizes()
        print("\nMB before and after ten restarts, page and Workers:",
              [(f"{one / 1e6:.2f}", f"{other / 1e6:.2f}") for one, other in zip(before, after)])
        assert len(visit.page.workers) == workers == 2 and len(before) == len(after) == 3
        assert all(other - one < 1_000_000 for one, other in zip(before, after)) and visit.complaints == []


def test_size_and_quiet(browser):
    with Trained(browser, PAGE) as visit:
        visit.button("One step").click()
        visit.settle()
        assert visit.complaints == [] and visit.remote() == []
        files = {unquote(urlsplit(address).path) for address in visit.requests if address.startswith("file:")}
    sizes = {Path(file): Path(file).stat().st_size for file in files}
    own = sum(size for file, size in sizes.items() if file.parent in (HTML, HTML / "_static" / "figures"))
    print(f"\n{own / 1e6:.2f} MB of its own, {sum(sizes.values()) / 1e6:.2f} MB with what all pages share")
    assert any(file.name == "train-sample.js" for file in sizes) and own < LIMIT


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_fits_and_is_accessible(browser, width, scheme):
    with Trained(browser, PAGE, width, scheme) as visit:
        visit.button("One step").click()
        visit.settle()
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = [control.bounding_box() for control in visit.root.locator("button, select, input").all()]
        assert min(box["height"] for box in boxes if box["width"] > 20) >= 24
        assert all(box["x"] + box["width"] <= width for box in boxes)
        assert visit.violations("[data-figure=train]") == []


def test_touch(browser):
    with Trained(browser, PAGE, 390, touch=True) as visit:
        visit.button("Play").tap()
        visit.wait_for(10)
        visit.button("Pause").tap()
        visit.settle()
        visit.root.get_by_role("radio", name="bag", exact=True).tap()
        assert visit.root.get_by_role("radio", name="bag", exact=True).is_checked()


def test_without_the_kernel_the_numbers_are_nearly_the_same(browser):
    """A browser without the instructions of the kernel: the plain JavaScript takes over, and says so."""
    losses = []
    for plain in (False, True):
        context = browser.new_context()
        page = context.new_page()
        if plain:
            page.add_init_script("WebAssembly.validate = () => false")
        page.goto(f"{HTML.as_uri()}/{PAGE}")
        page.wait_for_function(f"() => {ROOT}?.lanes?.every(({{busy, maps}}) => !busy && maps)")
        page.get_by_role("button", name="One step", exact=True).click()
        page.wait_for_function(f"() => {ROOT}.lanes.every(({{step, busy}}) => step === 1 && !busy)")
        losses += page.evaluate(f"{ROOT}.lanes.map(({{loss}}) => loss)")
        assert ("JavaScript" in page.locator(".fig-train-kind").inner_text()) is plain
        context.close()
    assert losses[:2] == pytest.approx(losses[2:], rel=1e-5)


def test_without_scripts_a_sentence_stands(browser):
    with Visit(browser, PAGE, scripts=False) as visit:
        assert visit.page.get_by_text("this place holds a figure to touch").is_visible()
        assert visit.page.get_by_text("never left").is_visible()  # the table does without


@pytest.mark.slow
@pytest.mark.parametrize("name, option, point", [
    (DUELS[0], "Lane A, Xavier.", "Lane B, Kaiming."),
    (DUELS[1], "Both leave as many.", "Lane A, with the ReLU."),
    (DUELS[2], "Lane B's, with three, by more than 0.1.", "Lane A's, with none, by more than 0.1."),
    (DUELS[3], "They are within 3 points.", "Lane B, with 0.05, by more than 3 points."),
])
def test_a_duel_to_its_point(trained, name, option, point):
    told = trained.run_duel(name, option, seconds=280)
    assert f"{point} – this run" in told and f"{option} (your prediction)" in told
    counts = [int(text.split()[0]) for text in trained.root.locator(".fig-train-count").all_inner_texts()]
    assert sum(counts) == tiny.SEEDS
    assert trained.root.locator(".fig-train-question fieldset").is_hidden()  # the answer stands in its place
    opened = trained.root.locator(".fig-train-answer details[open]")
    assert opened.count() == 2 and all(text.strip() for text in opened.locator("p").all_inner_texts())
    step = trained.lanes("step")[0]
    trained.button("Play").click()  # it goes on
    trained.wait_for(step + 10)
    assert trained.root.locator(".fig-train-answer details").count() >= 3
    trained.button("Start again").click()
    trained.settle()
    assert trained.root.locator(".fig-train-question fieldset").is_visible()
    assert trained.root.locator(".fig-train-answer details").count() == 0


@pytest.mark.slow
def test_a_sound_lane_passes_three_quarters(trained):
    trained.button(DUELS[2]).click()
    trained.settle()
    trained.button("Play").click()
    trained.root.locator(".fig-train-answer details").first.wait_for(timeout=280_000)
    trained.button("Play").click()
    trained.page.wait_for_function(f"() => {ROOT}.lanes[0].accuracies.some(({{accuracy}}) => accuracy > 0.75)",
                                   timeout=280_000)


@pytest.mark.timing
def test_duels_and_lanes_in_time(trained):
    """On an idle machine: a duel shows its point within 20 seconds, a sound lane passes 0.75 within a minute."""
    for name in DUELS:
        trained.button(name).click()
        trained.settle()
        trained.button("Play").click()
        trained.root.locator(".fig-train-answer details").first.wait_for(timeout=20_000)
        trained.settle()
    trained.button(DUELS[2]).click()
    trained.settle()
    trained.button("Play").click()
    trained.root.locator(".fig-train-answer details").first.wait_for(timeout=20_000)
    trained.button("Play").click()
    trained.page.wait_for_function(f"() => {ROOT}.lanes[0].accuracies.some(({{accuracy}}) => accuracy > 0.75)",
                                   timeout=40_000)
