"""The site in a real browser: from disk, wide and on a phone, light and dark, with hostile names."""

from dataclasses import replace
from datetime import date
from itertools import product

import pytest
from board_runs import record_of, write_run
from html_pages import CONTRASTS, HOSTILE, OVERFLOW, Watched

from bench.report.board.board import Board, read_board, sources
from bench.report.board.record import Known
from bench.report.board.site import site_files, write_site
from bench.report.history import find_runs
from bench.stats.unpaired import speed_ratio

pytestmark = pytest.mark.slow

NAMES = ["Example CPU", HOSTILE, "../../etc/passwd"]
SHOWN = "[...document.querySelectorAll('tbody tr')].filter(row => !row.hidden).length"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    for day, name in enumerate(NAMES, 1):
        when = {"started_at": f"202{day}-01-01T00:00:00+00:00", "commit": {"id": "0123456", "dirty": day == 3}}
        write_run(folder / "records", day, speed=day, cpu_model=name, **when)
    paths = find_runs([folder / "records"])
    board = read_board(sources(paths, [folder / "records"], folder), date(2026, 2, 1))
    write_site(folder / "site", site_files(board))
    return folder / "site"


def pages(site):
    (machine, *_) = sorted(site.glob("machines/*/index.html"))
    return [site / "index.html", site / "side-by-side.html", machine]


def test_pages_are_readable_on_all_media_and_ask_for_nothing(browser, site):
    for page in pages(site):
        watched = Watched(browser, page, viewport={"width": 320, "height": 800})
        assert watched.requests == [] and watched.complaints == []
        assert watched.ask("window.hacked") is None
        for width, scheme in product((320, 1280), ("light", "dark")):
            watched.page.set_viewport_size({"width": width, "height": 800})
            watched.page.emulate_media(color_scheme=scheme)
            assert watched.ask(OVERFLOW) == 0, page
            contrasts = watched.ask(CONTRASTS)
            assert len(contrasts) > 20
            assert [one for one in contrasts if one[0] < 4.5] == [], (page, width, scheme)


def test_rows_are_chosen_by_a_column(browser, site):
    watched = Watched(browser, site / "index.html")
    assert watched.ask(SHOWN) == 3
    watched.page.get_by_label("year").select_option("2022")
    assert watched.ask(SHOWN) == 1 and watched.page.text_content(".filters [role=status]") == "1 of 1 rows"
    assert watched.ask("location.search") == "?year=2022"
    watched.page.get_by_label("year").select_option("")
    assert watched.ask(SHOWN) == 3 and watched.ask("location.search") == ""


def test_any_two_machines_are_side_by_side(browser, site):
    watched = Watched(browser, site / "side-by-side.html")
    watched.page.locator("#view select").nth(1).select_option(index=2)
    text = watched.page.inner_text("#view")
    assert "python -m bench compare records/" in text and "comparison key unknown" in text
    assert watched.page.locator("#view table").count() == 2
    watched.page.locator("#view select").nth(1).select_option(index=0)
    assert "Choose two different machines" in watched.page.inner_text("#view")


def test_hardware_is_compared_over_equal_keys(browser, tmp_path):
    """With the ratio and the interval that ``bench.stats.unpaired`` gives."""
    slow, fast = (record_of(tmp_path, day, day, cpu_model=f"CPU {day}") for day in (1, 2))
    keyed = [replace(one, results=(replace(one.results[0], comparison_key=Known("k")),)) for one in (slow, fast)]
    write_site(tmp_path / "site", site_files(Board(keyed, [], date(2026, 2, 1))))
    watched = Watched(browser, tmp_path / "site" / "side-by-side.html")
    ratio = speed_ratio(slow.results[0].seconds, fast.results[0].seconds)
    text = f"{ratio.center:.3g} ({ratio.low:.3g} to {ratio.high:.3g})"
    assert text in watched.page.inner_text("#view tbody tr")
    assert "No hardware is ranked" not in (tmp_path / "site" / "index.html").read_text()


def test_without_javascript_the_tables_are_complete(browser, site):
    watched = Watched(browser, site / "index.html", java_script_enabled=False)
    assert watched.page.locator("tbody tr").count() == 3
    assert watched.page.locator("tbody a").first.get_attribute("href").startswith("machines/")
