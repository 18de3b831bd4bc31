"""report.html in a real browser: no requests, every plot drawn, readable on all media."""

import base64
import io
import json

import pandas as pd
import pytest
from example_run import reference_replicate, replicates, write_example_run
from html_pages import (
    CONTRASTS,
    HOSTILE,
    HOSTILE_LINK,
    OVERFLOW,
    WIDE,
    Watched,
    with_plain_spaces,
    write_hostile,
    write_page,
)

import bench

pytestmark = pytest.mark.slow

# What each plot was told to draw, and what is there: points and bars.
MARKS = """() => [...document.querySelectorAll(".plot")].map((plot) => ({
  name: plot.closest("figure").id,
  points: plot.data.filter((one) => (one.mode || "").includes("markers"))
    .reduce((sum, one) => sum + one.x.filter((value, at) => value !== null && one.y[at] !== null).length, 0),
  drawn_points: plot.querySelectorAll(".scatterlayer .trace:not(.legend *) .points path").length,
  lines: plot.data.filter((one) => (one.mode || "").includes("lines")).length,
  drawn_lines: plot.querySelectorAll(".scatterlayer .trace .lines path.js-line").length,
  bars: plot.data.filter((one) => one.type === "bar")
    .reduce((sum, one) => sum + one.x.filter((value) => value !== null).length, 0),
  drawn_bars: plot.querySelectorAll(".barlayer .points path").length,
}))"""

OPEN = "[...document.querySelectorAll('details')].map(one => one.open)"
PAPER = "getComputedStyle(document.body).backgroundColor"
WIDEST_PLOT = "Math.max(...[...document.querySelectorAll('.main-svg')].map(one => one.clientWidth))"

PLOTS_FIT = """[...document.querySelectorAll(".plot .main-svg")].every(
  (one) => one.clientWidth <= one.closest(".plot").clientWidth)"""


@pytest.fixture(scope="module")
def run(everything):
    return everything


@pytest.fixture(scope="module")
def watched(browser, run):
    return Watched(browser, run / "report.html")


@pytest.fixture
def changed(watched):
    """The page, on light paper; whatever a test changes is afterwards as before, which is cheaper than a page more."""
    opened = json.dumps(watched.ask(OPEN))
    yield watched
    watched.page.set_viewport_size(WIDE)
    watched.page.emulate_media(media="null", color_scheme="null")
    watched.ask("delete document.documentElement.dataset.theme")
    watched.ask(f"document.querySelectorAll('details').forEach((one, at) => {{ one.open = {opened}[at]; }})")
    watched.until(PLOTS_FIT)


@pytest.fixture(scope="module")
def unscripted(browser, run):
    return Watched(browser, run / "report.html", java_script_enabled=False)


def csv(watched, name):
    """Return the file behind the link of ``name``, under whose name it is downloaded."""
    link = watched.page.locator(f"#chart-{name} a.csv")
    assert link.is_visible() and link.get_attribute("download") == f"{name}.csv"
    _, _, packed = link.get_attribute("href").partition("data:text/csv;charset=utf-8;base64,")
    return pd.read_csv(io.BytesIO(base64.b64decode(packed)))


def everywhere_the_same(found, expected):
    assert sorted(found) == pytest.approx(sorted(expected)) and len(found) == len(expected)


# --- what it does -----------------------------------------------------------------------------------------------------


def test_the_page_makes_no_request_and_logs_no_error(watched):
    assert watched.requests == []
    assert watched.complaints == []


def test_every_plot_is_there_with_a_mark_for_every_value(watched):
    marks = watched.ask(MARKS)
    assert {one["name"] for one in marks} == {
        f"chart-{name}"
        for name in (
            *(
                "phases",
                "throughput",
                "lower_bound",
                "ceilings",
                "operations",
                "batch_size",
                "power",
                "gpu_memory",
                "test_accuracy",
            ),
            *("accuracy", "memory", "loading", "compile", "train_epoch", "validate_epoch", "train_step"),
        )
    }
    for one in marks:
        for kind in ("points", "lines", "bars"):
            assert one[f"drawn_{kind}"] == one[kind], one
        assert one["points"] + one["lines"] + one["bars"] > 0


def test_pointing_at_a_dot_shows_its_value(watched, run):
    dot = watched.page.locator("#chart-throughput .scatterlayer .trace").last.locator(".points path").first
    dot.scroll_into_view_if_needed()
    box = dot.bounding_box()
    watched.page.mouse.move(box["x"] - 20, box["y"] - 20)
    watched.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    shown = watched.page.locator("#chart-throughput .hovertext").first.text_content(timeout=60_000)
    (fastest, *_) = json.loads((run / "summary.json").read_text())["ranking"]
    rate = 50_000 / fastest["train_epoch"]["center"]
    assert f"{rate:,.6g}".replace(",", "")[:5] in shown.replace(",", "")
    watched.page.mouse.move(0, 0)


def test_pointing_at_a_part_of_a_step_shows_its_kind_its_time_and_its_share(watched):
    bar = watched.page.locator("#chart-operations .barlayer .trace").first.locator(".points path").last
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    watched.page.mouse.move(box["x"] + box["width"] / 2 - 20, box["y"] - 30)
    watched.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    shown = watched.page.locator("#chart-operations .hovertext").first.text_content(timeout=60_000)
    assert "theano/as_published on cpu" in shown and "gemm: 10.2 ms, 54.4 % of the step" in shown
    watched.page.mouse.move(0, 0)


def test_no_button_covers_or_uploads_a_plot(watched):
    assert watched.page.locator(".modebar-btn").count() == 0


# --- its numbers ------------------------------------------------------------------------------------------------------


def test_the_csv_of_every_plot_is_one_click_away_and_has_the_numbers_of_the_frames(watched, run):
    frames = bench.load_runs(run)
    timed, epochs = frames.samples, frames.samples[frames.samples["harness"] == "epoch"]
    for name in ("train_epoch", "validate_epoch", "train_step"):
        everywhere_the_same(csv(watched, name)["seconds"], epochs[epochs["measurement"] == name]["seconds"])
    everywhere_the_same(csv(watched, "loading")["seconds"], timed[timed["harness"] == "data"]["seconds"])
    everywhere_the_same(csv(watched, "ceilings")["seconds"], timed[timed["harness"] == "ceilings"]["seconds"])
    compiled = timed[(timed["harness"] == "compile") & (timed["measurement"] == "compile")]
    everywhere_the_same(csv(watched, "compile")["seconds"], compiled["seconds"])
    phases = csv(watched, "phases")
    everywhere_the_same(phases[phases["statistic"] == "process"]["seconds"], frames.results["total_seconds"])
    everywhere_the_same(csv(watched, "accuracy")["validation_accuracy"], frames.epochs["validation_accuracy"])
    everywhere_the_same(csv(watched, "memory")["rss_bytes"], frames.timeline["rss_bytes"].dropna())
    everywhere_the_same(csv(watched, "power")["power_watts"], frames.timeline["power_watts"].dropna())
    everywhere_the_same(csv(watched, "gpu_memory")["gpu_memory_bytes"], frames.timeline["gpu_memory_bytes"].dropna())
    with watched.page.expect_download(timeout=60_000) as waiting:
        watched.page.click("#chart-train_epoch a.csv")
    assert waiting.value.suggested_filename == "train_epoch.csv"
    pd.testing.assert_frame_equal(pd.read_csv(waiting.value.path()), csv(watched, "train_epoch"))


def test_the_csv_of_a_summary_has_the_numbers_of_summary_json(watched, run):
    summary = json.loads((run / "summary.json").read_text())
    rates = csv(watched, "throughput").query("statistic == 'median'")["examples_per_second"]
    everywhere_the_same(rates, [50_000 / one["train_epoch"]["center"] for one in summary["ranking"] if one["rank"]])
    accuracies = [value for one in summary["learning"] for value in one["test_accuracies"]]
    everywhere_the_same(csv(watched, "test_accuracy")["test_accuracy"], accuracies)
    medians = csv(watched, "batch_size").query("statistic == 'median'")["step_seconds"]
    steps = [one["center"] for one in summary["measurements"] if one["harness"] == "batch_size"]
    everywhere_the_same(medians, steps)
    parts = [[*one["seconds_by_kind"].values(), one["unattributed_seconds"]] for one in summary["profiles"]]
    everywhere_the_same(csv(watched, "operations")["seconds"], [second for one in parts for second in one])
    shares = csv(watched, "lower_bound").query("measurement == 'training epoch'")["share"]
    assert len(shares) == 3 and shares.gt(0).all()


# --- who can read it --------------------------------------------------------------------------------------------------


def test_who_cannot_see_gets_words_for_every_plot_and_headers_for_every_cell(watched):
    ask = watched.ask
    assert ask("document.documentElement.lang") == "en"
    assert ask("[...document.querySelectorAll('.plot')].every(one => one.getAttribute('aria-label').length > 40)")
    assert ask("[...document.querySelectorAll('table')].every(one => one.caption && one.caption.textContent)")
    assert ask("[...document.querySelectorAll('th')].every(one => ['row', 'col'].includes(one.scope))")
    assert ask("[...document.querySelectorAll('tbody tr')].every(one => one.cells[0].tagName === 'TH')")
    assert ask("[...document.querySelectorAll('.scroll')].every(one => one.tabIndex === 0 && one.ariaLabel)")
    assert ask("document.querySelectorAll('h1').length") == 1
    assert ask("new Set([...document.querySelectorAll('[id]')].map(one => one.id)).size") == ask(
        "document.querySelectorAll('[id]').length"
    )


def test_every_text_stands_out_from_its_background_and_a_chosen_theme_is_remembered(changed):
    def contrasts():
        changed.ask("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        found = changed.ask(CONTRASTS)
        assert len(found) > 300
        return found

    light = changed.ask(PAPER)
    assert [one for one in contrasts() if one[0] < 4.5] == []
    assert changed.page.text_content("#theme") == "Dark"
    changed.page.click("#theme")
    dark = changed.ask(PAPER)
    assert dark != light and changed.page.text_content("#theme") == "Light"
    assert [one for one in contrasts() if one[0] < 4.5] == []
    changed.page.reload()
    changed.drawn()
    assert changed.ask(PAPER) == dark
    assert [one for one in contrasts() if one[0] < 4.5] == []


def test_nothing_is_wider_than_a_phone_but_tables_that_scroll_in_their_own_box(changed):
    """At 360 pixels, with a finger: ``test_hostile_names_stay_text_and_break_nothing``."""
    for width in (768, 320):
        changed.page.set_viewport_size({"width": width, "height": 780})
        changed.until(PLOTS_FIT)  # they are drawn again soon after the width changed
        assert changed.ask(OVERFLOW) == 0
        assert changed.ask(WIDEST_PLOT) <= width
    assert changed.complaints == []


def test_on_paper_everything_is_open_light_and_within_the_margins(changed):
    """In the order of a browser: the event comes before the media change, and the other one after that."""
    changed.page.emulate_media(color_scheme="dark")
    screen = changed.ask(PAPER)
    folded = "[...document.querySelectorAll('details.folded')]"
    assert not changed.ask(f"{folded}.some(one => one.open)")
    changed.ask("dispatchEvent(new Event('beforeprint'))")
    changed.page.emulate_media(media="print", color_scheme="dark")
    assert changed.ask(f"{folded}.every(one => one.open)")
    assert changed.ask(PAPER) == "rgb(255, 255, 255)" != screen
    assert not changed.page.locator("nav").is_visible() and not changed.page.locator("#theme").is_visible()
    assert changed.ask(WIDEST_PLOT) <= 680
    changed.page.emulate_media(media="screen", color_scheme="dark")
    changed.ask("dispatchEvent(new Event('afterprint'))")
    assert changed.ask(WIDEST_PLOT) > 680
    assert changed.complaints == []


def test_the_keyboard_comes_first_to_the_report_itself(unscripted):
    unscripted.page.keyboard.press("Tab")
    assert unscripted.ask("document.activeElement.getAttribute('href')") == "#main"
    assert unscripted.ask("document.activeElement.getBoundingClientRect().left >= 0")


def test_without_javascript_all_is_there_but_the_plots(unscripted):
    assert "The plots need JavaScript" in unscripted.page.inner_text("main")
    assert unscripted.page.locator("a.csv").count() == 16 and unscripted.page.locator("table").count() > 10


# --- what is hostile or missing ---------------------------------------------------------------------------------------


def test_hostile_names_stay_text_and_break_nothing(browser, run, tmp_path):
    path = write_hostile(tmp_path)
    watched = Watched(browser, path / "report.html", viewport={"width": 360, "height": 780}, has_touch=True)
    assert watched.complaints == [] and watched.requests == []
    assert watched.ask("window.hacked") is None
    assert watched.ask("document.querySelectorAll('[href^=\"javascript\" i], img').length") == 0
    assert watched.ask(OVERFLOW) == 0 and watched.ask(PLOTS_FIT) and watched.ask(WIDEST_PLOT) <= 360
    text = watched.ask("document.querySelector('main').textContent")
    assert "</script><script>window.hacked=1</script><img src=x" in text and HOSTILE_LINK in text
    assert "\u202e" not in text and "שלום" in HOSTILE and "שלום" in text
    assert "10,000,1" in text and "characters in all" in text
    ticks = watched.ask("[...document.querySelectorAll('.ytick text')].map(one => one.textContent).join('\\n')")
    assert HOSTILE_LINK[:20] in ticks
    names = watched.ask("[...document.querySelectorAll('.plot')].flatMap(one => one.data.map(d => d.hovertemplate))")
    assert not [name for name in names if name and "%{x} \u202e" in name]
    assert (path / "report.html").stat().st_size < (run / "report.html").stat().st_size + 300_000


SURROGATE = {"identity": "surrogate", "origin": "surrogate", "sha256": {}}
REFERENCE_RUNS = [one for one in replicates() if one["case"]["harness"] == "reference"]
MISSING = dict.fromkeys(("machine", "dataset", "commit", "skipped", "recipe", "finished_at"))


@pytest.mark.parametrize(
    ("measured", "changes", "num_plots", "headline"),
    [
        ([], {"status": "running"}, 0, "The canonical workload was not completed."),
        (replicates()[:3], {"status": "interrupted"}, 2, "The canonical workload was not completed."),
        (replicates(), {}, 11, "theano/as_published on cpu: 44.2 s for the canonical 20 epochs, 1.4 times as long as"),
        (REFERENCE_RUNS, {"dataset": SURROGATE}, 3, "accuracy is not compared. Median of 3 runs"),
        (replicates(), MISSING, 10, "44.2 s for 20 epochs, which is not the canonical run"),
        (
            [reference_replicate(1, None, 4.0, num_epochs=2)],
            {"mode": "quick"},
            3,
            "9.00 s for 2 epochs, which is not the",
        ),
    ],
    ids=["empty", "partial", "one stack", "surrogate", "nothing optional", "quick"],
)
def test_what_is_not_there_is_not_drawn_and_not_invented(browser, tmp_path, measured, changes, num_plots, headline):
    path = write_example_run(tmp_path, measured, **changes)
    write_page(path)
    watched = Watched(browser, path / "report.html")
    assert watched.complaints == [] and watched.requests == []
    lead = watched.page.locator("p.lead")
    heading = [watched.page.text_content("h1"), *lead.all_text_contents()]
    assert headline in with_plain_spaces(" ".join(heading))
    assert watched.page.locator(".js-plotly-plot .main-svg:first-child").count() == num_plots
    text = watched.page.inner_text("main")
    assert "nan" not in text.lower().split() and "None" not in text and "undefined" not in text
