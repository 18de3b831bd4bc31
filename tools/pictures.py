"""Pictures of README and docs from committed records: charts, small ones for a table, the first screen of a report.

The first screen is a photograph, whose bytes differ from one browser to the next: it carries a digest of what it shows,
and is taken again only if that changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from bench.document.chart import Chart
from bench.document.html import Page, to_html
from bench.document.svg import draw_chart, svg_of_chart, svg_of_figure
from bench.errors import BenchError
from bench.gate.error_rates.bisection import METRIC, InjectedRange, TraceLaboratory
from bench.gate.error_rates.calibration import read_calibration
from bench.gate.error_rates.noise_trace import read_trace
from bench.gate.error_rates.resample import recorded_blocks
from bench.gate.verdict.bisection.search import Search
from bench.records.moments import order
from bench.report.charts import draw_charts
from bench.report.charts.style import BLUE, COLOURS, GREY, OCHRE, PHASES, VERMILION
from bench.report.history.series import find_runs, history
from bench.report.write import analysis_of, page_of, sections
from bench.stats.rate import Rate
from mlp.recipe import REFERENCE
from tools.conformance import newest_record, stacks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.gate.verdict.bisection.posterior import Posterior
    from bench.report.run.analysis import RunAnalysis

IMAGES = Path("docs/images")
CONFORMANCE = Path("results/conformance")
CLAUSE_MARKS = {
    "holds": ("o", BLUE),
    "violated": ("X", VERMILION),
    "not judged": ("s", OCHRE),
    "not applicable": (".", GREY),
}
NOISE = Path("results/noise/quiet.jsonl")
CALIBRATIONS = Path("results/calibration")
FLEET_POWER = Path("results/simulated/fleet-power.json")
BISECTED = InjectedRange(16, ((11, 1.05),))  # commits, and (position, factor) of the one that made it slower
SMALL_INCHES = (2.0, 1.0)
FIRST_SCREEN = {"light": IMAGES / "first-screen-light.png", "dark": IMAGES / "first-screen-dark.png"}
SCREEN_PIXELS = {"width": 1280, "height": 800}
MAX_COLOURS = 64  # of a photograph of text: a third of the bytes
NUM_SECTIONS = 2  # on the first screen


@cache
def analysed(record: Path) -> RunAnalysis:
    """Return the analysis of a record, which several blocks and pictures show."""
    return analysis_of(record)


@cache
def charts_of(record: Path) -> dict[str, Chart]:
    """Return the charts of a record's page."""
    return draw_charts(analysed(record))[0]


def pictures(record: Path, records: Path) -> dict[Path, str]:
    """Return the SVG of each picture by its path: of ``record``, and for the trend of all ``records``."""
    analysis, charts = analysed(record), charts_of(record)
    small = {
        "fast": lambda axes: _clocks(axes, analysis),
        "stacks": lambda axes: _thin(axes, charts["throughput"]),
        "time": lambda axes: _phases(axes, analysis),
        "gate": _power,
        "bisect": _search,
        "conform": _clauses,
        "trend": lambda axes: _trend(axes, records),
        "fleet": _fleet,
        "scaling": lambda axes: _thin(axes, charts["threads"]),
        "fitness": _noise,
    }
    return {
        IMAGES / "ranking-light.svg": svg_of_chart(charts["throughput"]),
        IMAGES / "ranking-dark.svg": svg_of_chart(charts["throughput"], dark=True),
        IMAGES / "accuracy.svg": svg_of_chart(charts["accuracy"]),
        IMAGES / "batch-size.svg": svg_of_chart(charts["batch_size"]),
        **{IMAGES / f"small-{name}.svg": _small(draw) for name, draw in small.items()},
    }


# --- small ones: lines and dots on no paper, in colours for light and dark -------------------------------------------


def _small(draw: Callable[[Axes], None]) -> str:
    def draw_one(figure: Figure) -> None:
        axes = figure.add_subplot()
        draw(axes)
        axes.set(xlabel="", ylabel="")
        axes.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
        axes.grid(False)
        axes.spines[:].set_color(GREY)
        for paper in (figure.patch, axes.patch):
            paper.set_alpha(0)

    return svg_of_figure(SMALL_INCHES, draw_one)


def _clocks(axes: Axes, analysis: RunAnalysis) -> None:
    """Draw the reference clock of each stack, the fastest first, and the published one as a line."""
    totals = sorted((one.total_seconds for one in analysis.phase_medians), reverse=True)
    axes.barh(range(len(totals)), totals, color=COLOURS[0], height=0.6)
    axes.axvline(REFERENCE.total_seconds, color=COLOURS[1], linewidth=1, linestyle="--")


def _thin(axes: Axes, chart: Chart) -> None:
    draw_chart(axes, chart)
    for line in axes.lines:
        line.set(linewidth=1, markersize=min(line.get_markersize(), 3))


def _phases(axes: Axes, analysis: RunAnalysis) -> None:
    """Draw the phases of each stack's reference run as a bar of whole length."""
    for row, one in enumerate(sorted(analysis.phase_medians, key=lambda found: -found.total_seconds)):
        left = 0.0
        for phase, color in PHASES.items():
            share = one.seconds_by_phase.get(phase, 0) / one.total_seconds
            axes.barh(row, share, left=left, color=color, height=0.6)
            left += share


def _trend(axes: Axes, records: Path) -> None:
    """Draw the training epochs of each stack from run to run, in the order of time."""
    found = [one for one in history(find_runs([records])).series if one.metric.measurement == "train_epoch"]
    for one, color in zip(found, COLOURS * len(found), strict=False):
        centers = [point.center for point in one.points]
        axes.plot(range(len(centers)), centers, color=color, marker="o", markersize=3, linewidth=1)
    axes.set_yscale("log")


def _power(axes: Axes) -> None:
    """Draw the share of the gate's runs that found a slowdown against its size, with 95 % intervals."""
    calibrations = [read_calibration(path) for path in CALIBRATIONS.glob("*/*.json")]
    newest = max(calibrations, key=lambda one: order(one.date))
    rows = [row for row in newest.rows if row.kind == "seconds" and row.power]
    _rates(axes, [row.inject for row in rows], [row.power for row in rows], COLOURS[0])


def _rates(axes: Axes, effects: Sequence[float], rates: Sequence[Rate], color: str) -> None:
    """Draw rates against the effects at which they were found, with 95 % intervals."""
    found = [rate.count / rate.trials for rate in rates]
    bounds = [[share - rate.interval[0], rate.interval[1] - share] for share, rate in zip(found, rates, strict=True)]
    reach = np.clip(np.transpose(bounds), 0, None)  # a bound of a rate of 1 is rounded to less
    axes.errorbar(effects, found, reach, color=color, marker="o", markersize=3, linewidth=1)


def _fleet(axes: Axes) -> None:
    """Draw how often simulated fleets of each size name the sick host, and a healthy one, against how slow it is."""
    rows = json.loads(FLEET_POWER.read_text(encoding="utf-8"))["rows"]
    for size, color in zip(dict.fromkeys(row["hosts"] for row in rows), COLOURS, strict=False):
        own = [row for row in rows if row["hosts"] == size]
        factors = [row["factor"] for row in own]
        _rates(axes, factors, [Rate(row["named"], row["fleets"]) for row in own], color)
        axes.plot(
            factors, [row["false_alarms"] / row["fleets"] for row in own], color=color, linewidth=1, linestyle=":"
        )


def _search(axes: Axes) -> None:
    """Draw the probability of each commit after each block of a bisection on recorded noise, the first on top."""
    laboratory = TraceLaboratory(recorded_blocks(read_trace(NOISE)), BISECTED, np.random.default_rng(1))
    search = Search(BISECTED.last, METRIC, laboratory, budget_seconds=900.0, confidence=0.99, confirms=False)
    search.built |= {0, BISECTED.last}
    looks: list[np.ndarray] = []

    def watch(posterior: Posterior) -> None:
        sizes = np.diff(posterior.hypotheses.positions)  # a step is as probable at each commit of an interval
        looks.append(np.repeat(np.asarray(posterior.one_step) / sizes, sizes))

    search.watch = watch
    search.run()
    for row, probabilities in enumerate(reversed(looks)):
        for commit in np.flatnonzero(probabilities > 0.01):
            axes.barh(row, 1, left=commit, height=1, color=COLOURS[0], alpha=probabilities[commit], linewidth=0)
    axes.set(xlim=(0, BISECTED.last))


def _clauses(axes: Axes) -> None:
    """Draw the clauses of the contract from left to right, a row for each stack of the newest record of ``conform``."""
    stacks = stacks_of(newest_record(CONFORMANCE))
    for row, stack in enumerate(reversed(stacks)):
        for clause, result in enumerate(stack["clauses"]):
            marker, color = CLAUSE_MARKS[result["state"]]
            axes.plot(clause, row, marker, color=color, markersize=3.5, markeredgewidth=0)
    axes.set_ylim(-0.7, len(stacks) - 0.3)


def _noise(axes: Axes) -> None:
    """Draw the median of each block of a noise trace: one program on a machine that changes under it."""
    blocks: dict[int, list[float]] = {}
    for turn in read_trace(NOISE).turns:
        blocks.setdefault(turn.block, []).append(turn.seconds)
    axes.plot([median(seconds) for _, seconds in sorted(blocks.items())], color=COLOURS[0], linewidth=1)


# --- the first screen of the report ----------------------------------------------------------------------------------


def first_screen_digest(record: Path) -> str:
    """Return a digest of what the first screen shows: text, charts, style; not of Plotly's or a browser's version."""
    return _digest(_page(record))


def _page(record: Path) -> Page:
    analysis = analysed(record)
    return page_of(analysis, sections(analysis), charts_of(record))


def _digest(page: Page) -> str:
    titles, seen = [section.title for section in page.sections], page.sections[:NUM_SECTIONS]
    text = to_html(replace(page, sections=seen, charts={}))
    figures = [page.charts[name].figure for section in seen for name in section.plots if name in page.charts]
    return hashlib.sha256(f"{text}{titles}{json.dumps(figures, sort_keys=True)}".encode()).hexdigest()


def digest_of_picture(path: Path) -> str | None:
    """Return the digest that a picture of the first screen carries; None without the picture."""
    from PIL import Image

    if not path.exists():
        return None
    with Image.open(path) as image:
        return image.info.get("digest")


def write_first_screen(record: Path) -> list[Path]:
    """Take the photographs that are not current, in a headless Chromium; return their paths."""
    page = _page(record)
    digest = _digest(page)
    stale = {scheme: path for scheme, path in FIRST_SCREEN.items() if digest_of_picture(path) != digest}
    if stale:
        _photograph(to_html(page), stale, digest)
    return list(stale.values())


def _photograph(page: str, paths: dict[str, Path], digest: str) -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="mlp-bench-") as scratch, sync_playwright() as playwright:
        file = Path(scratch, "report.html")
        file.write_text(page, encoding="utf-8")
        executable = chromium_path(playwright.chromium.executable_path)
        if executable is None:
            raise BenchError(NO_CHROMIUM)
        browser = playwright.chromium.launch(executable_path=executable, args=SANDBOX)
        for scheme, path in paths.items():
            seen = browser.new_page(viewport=SCREEN_PIXELS, color_scheme=scheme)
            seen.goto(file.as_uri())
            seen.wait_for_selector("html[data-drawn=true]")
            _write_png(seen.screenshot(), path, digest)
        browser.close()


def _write_png(image: bytes, path: Path, digest: str) -> None:
    from PIL import Image, PngImagePlugin

    carried = PngImagePlugin.PngInfo()
    carried.add_text("digest", digest)
    Image.open(io.BytesIO(image)).convert("RGB").quantize(MAX_COLOURS).save(path, pnginfo=carried, optimize=True)


# --- Chromium --------------------------------------------------------------------------------------------------------

NO_CHROMIUM = "no Chromium was found: name one in CHROMIUM, or run python -m playwright install chromium"
SANDBOX = [] if os.geteuid() else ["--no-sandbox"]  # Chromium refuses to sandbox for the superuser


def chromium_path(own: str) -> str | None:
    """Return the browser named by the user, one of the system's, or Playwright's ``own``."""
    named = os.environ.get("CHROMIUM")
    found = [named] if named else [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    return next((path for path in [*found, own] if path and Path(path).exists()), None)
