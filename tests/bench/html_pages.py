"""Pages to look at, from literals: everything at once, what is hostile, and a browser that lets nothing out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from example_ceilings import ceilings_replicate
from example_profile import PUBLISHED, TUNED, recorded
from example_race import SKIPPED, race
from example_run import case, gpu_reference_replicate, replicate, replicates, write_example_run

from bench.records.header import CommitFacts
from bench.records.profile import Operation
from bench.records.profile_file import FILE_NAME, save
from bench.report import write
from tools.pictures import NO_CHROMIUM, SANDBOX, chromium_path

# Each would do something if it were anything but text: to HTML, to a script's end, to Plotly's labels and templates, to
# the direction of reading.
HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'>\"'&amp; %{x} \u202eEVIL שלום"
HOSTILE_LINK = "<a href='javascript:window.hacked=3'>jax</a>"
TEN_MEGABYTES = 10_000_000
# Relative luminance and contrast as WCAG 2.2 defines them; every text against the nearest background behind it.
CONTRASTS = """() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) =>
    0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, noscript, style")) continue;
    if (!element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const ink = parse(element instanceof SVGElement ? style.fill : style.color);
    const [light, dark] = [luminance(ink), luminance(behind(element))].sort((a, b) => b - a);
    found.push([(light + 0.05) / (dark + 0.05), walker.currentNode.data.trim().slice(0, 40)]);
  }
  return found;
}"""
WIDE = {"width": 1280, "height": 900}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def with_plain_spaces(text: str) -> str:
    """Return ``text`` with the spaces that the page keeps between a number and its unit as in the other outputs."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def everything() -> list[dict[str, Any]]:
    """Five stacks on two devices, ceilings, loading and compiling, a GPU's timeline, and a process that failed."""
    of_one_stack = [one for one in replicates() if one["case"]["harness"] in ("data", "compile")]
    return [
        *race(),
        *of_one_stack,
        *(ceilings_replicate(number, 1 + 0.03 * number) for number in range(3)),
        gpu_reference_replicate(),
        replicate(case("epoch", batch_size=500), [], reason="it was killed (SIGKILL)"),
    ]


def write_profiles(run: Path, **changes: Any) -> None:
    """Two recorded profiles in the folder of ``run``; they do not tell on which machine, nor at which commit."""
    for name in (PUBLISHED, TUNED):
        one = replace(recorded(name), machine={}, commit=CommitFacts(), **changes)
        folder = run / "profiles" / Path(name).stem
        folder.mkdir(parents=True)
        save(one, folder / FILE_NAME)


def write_everything(runs_dir: Path, **changes: Any) -> Path:
    """The folder of the run, with its reports."""
    path = write_example_run(runs_dir, everything(), **{"skipped": SKIPPED, **changes})
    write_profiles(path)
    write.write_report(path)
    return path


def write_page(path: Path) -> None:
    """Write the reports of the run in ``path`` without the plots beside report.md: for tests that read report.html."""
    with mock.patch.object(write, "draw_plots", lambda *_: ({}, [])):
        write.write_report(path)


def write_hostile(runs_dir: Path) -> Path:
    """Names of machines, backends, files and failures that would rather be code, and one of 10 MB."""
    found = everything()
    for one in found:
        if one["case"]["backend"] == "jax":
            one["case"] |= {"backend": HOSTILE_LINK, "variant": HOSTILE}
    found.append(replicate(case("epoch", batch_size=500), [], reason=HOSTILE))
    machine = {"cpu_model": HOSTILE + "x" * TEN_MEGABYTES, "gpus": [{"name": HOSTILE}], HOSTILE: HOSTILE}
    skipped = [{"what": HOSTILE, "reason": HOSTILE, "remedy": HOSTILE}]
    path = write_example_run(runs_dir, found, machine=machine, skipped=skipped, commit={"id": HOSTILE})
    stack = {"backend": HOSTILE_LINK, "variant": HOSTILE, "device": "cpu", "precision": "float32"}
    hostile = Operation("train_step", HOSTILE, HOSTILE, 1, 1e-3, source=HOSTILE)
    write_profiles(path, stack=stack, operations=(hostile,), problems=(HOSTILE,), complete=False)
    (path / "replicates" / f"{HOSTILE.replace('/', '_')}.json").write_text("{")
    write_page(path)
    return path


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        executable = chromium_path(playwright.chromium.executable_path)
        if executable is None:
            pytest.skip(NO_CHROMIUM)
        browser = playwright.chromium.launch(executable_path=executable, args=SANDBOX)
        yield browser
        browser.close()


class Watched:
    """A page on which everything it asked for or complained of is kept, and nothing it asks for is answered."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": WIDE, **options})
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.route("**/*", self._route)
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.file = file.as_uri()
        self.page.goto(self.file)
        if options.get("java_script_enabled", True) and self.page.locator("#plotly, .plot").count():
            self.drawn()

    def drawn(self) -> None:
        """Wait until every plot is there."""
        self.until("document.documentElement.dataset.drawn === 'true'")

    def until(self, condition: str) -> None:
        """Wait for a condition by asking again: the page forbids the ``eval`` of Playwright's own way."""
        for _ in range(1200):
            if self.ask(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"after a minute still not {condition}")

    def _route(self, route: Any) -> None:
        if route.request.url.partition("#")[0] == self.file:
            route.continue_()
        else:
            self.requests.append(route.request.url)
            route.abort()

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)
