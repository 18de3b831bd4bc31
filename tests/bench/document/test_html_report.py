"""report.html as text: what it says, that it is one file, and that a picture never costs the numbers."""

import html
import json
import re
import shutil
from html.parser import HTMLParser
from importlib.resources import files

import pandas as pd
import pytest
from example_run import reference_replicate, replicates, write_example_run
from html_pages import TEN_MEGABYTES, with_plain_spaces, write_page
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plotly import graph_objects
from words import write_words

from bench.document.chart import MAX_LINE, hover_text, label, log_axis
from bench.document.html import Chart, Page, to_html
from bench.document.section import Plot, Section, clean, to_markdown, with_plots
from bench.document.table import LINK, PROBABILITY, SECONDS, SHARE_INTERVAL, Column, Link
from bench.errors import RecordError
from bench.report.charts import DRAW, style
from bench.report.charts.lanes import MAX_DOTS, lanes_chart
from bench.report.write import write_report
from bench.units import MISSING


class Parsed(HTMLParser):
    """The tags with their attributes, and the text of the headings, cells and scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self._open = [], {"h1": [], "h2": [], "td": [], "th": [], "script": []}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag if tag in self.texts else self._open
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag):
        self._open = None if tag == self._open else self._open

    def handle_data(self, data):
        if self._open:
            self.texts[self._open][-1] += data


@pytest.fixture(scope="module")
def text(everything):
    return (everything / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def headline(tmp_path):
    def headline(replicates, **changes):
        path = write_example_run(tmp_path, replicates, **changes)
        write_words(path)
        page = (path / "report.html").read_text(encoding="utf-8")
        first, rest = re.search(r'<h1>(.*?)</h1>\s*(?:<p class="lead">(.*?)</p>)?', page).groups()
        return with_plain_spaces(html.unescape(" ".join(filter(None, (first, rest)))))

    return headline


# --- one file ---------------------------------------------------------------------------------------------------------


def test_nothing_in_the_file_points_out_of_it(text):
    parsed = Parsed(text)
    links = [attrs[name] for _, attrs in parsed.tags for name in ("src", "href", "action", "data") if attrs.get(name)]
    assert links and all(link.startswith(("#", "data:")) for link in links)
    ids = {attrs["id"] for _, attrs in parsed.tags if "id" in attrs}
    assert {link[1:] for link in links if link.startswith("#")} <= ids
    (policy,) = [attrs["content"] for tag, attrs in parsed.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "http" not in policy and "connect" not in policy


def test_the_plotting_library_is_in_it_once_however_many_plots_there_are(text):
    scripts = Parsed(text).texts["script"]
    figures = [script for script in scripts if script.startswith("{")]
    assert len(figures) == 16 and all(graph_objects.Figure(json.loads(figure)).data for figure in figures)
    assert len([script for script in scripts if len(script) > 1_000_000]) == 1


def test_without_plots_there_is_no_library():
    assert len(to_html(Page("t", "h", [Section("One", ["two"])]))) < 20_000


@pytest.mark.slow
def test_the_same_record_gives_the_same_files(everything, tmp_path):
    """Also where they were written before: plots, tables, and both reports."""
    again = tmp_path / everything.name
    shutil.copytree(everything, again)
    before = {path: path.stat().st_mtime_ns for path in (again / "report.md", again / "plots" / "accuracy.svg")}
    write_report(again)
    assert all(path.stat().st_mtime_ns > earlier for path, earlier in before.items())
    written = [path.relative_to(everything) for path in everything.rglob("*") if path.is_file()]
    assert {"report.html", "report.md", "summary.json", "throughput.svg", "samples.csv"} <= {
        path.name for path in written
    }
    assert [file for file in written if (again / file).read_bytes() != (everything / file).read_bytes()] == []


# --- what it says -----------------------------------------------------------------------------------------------------


def test_it_has_every_section_and_every_cell_of_the_markdown_report(everything, text):
    parsed = Parsed(with_plain_spaces(text))
    markdown = (everything / "report.md").read_text(encoding="utf-8")
    titles = [line[3:] for line in markdown.splitlines() if line.startswith("## ")]
    assert set(titles) < set(parsed.texts["h2"])
    assert [title for title in parsed.texts["h2"] if title in titles] == titles
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    cells = {html.unescape(cell).strip() for row in rows for cell in row.strip("|").split(" | ")}
    assert cells <= {" ".join(cell.split()) for cell in parsed.texts["td"] + parsed.texts["th"]}


def test_a_failure_is_told_on_the_first_screen(text):
    assert text.index("Something failed or was left out") < text.index("<section")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train_seconds", "accuracy", "expected"),
    [
        (4.3, 0.983, "9.30 s for the canonical 20 epochs, 3.5 times as fast as the GTX 970 of January 2016 (32.2 s); "),
        (59.4, 0.983, "64.4 s for the canonical 20 epochs, 2 times as long as the GTX 970 of January 2016 (32.2 s); "),
        (59.4, 0.983, "test accuracy 98.30 %, as published. One run: the spread between runs is unknown"),
        (59.4, 0.97, "test accuracy 97.00 %, NOT the published 98.29 %. One run: "),
        (59.4, None, "accuracy is not compared, none was recorded. One run: "),
    ],
)
def test_the_first_sentence_is_the_one_that_a_person_came_for(headline, train_seconds, accuracy, expected):
    found = headline([reference_replicate(1, accuracy, train_seconds)])
    assert found.startswith("theano/as_published on cpu: ") and expected in found


@pytest.mark.slow
def test_the_reference_stands_only_beside_whole_canonical_runs(tmp_path):
    path = write_example_run(tmp_path, [reference_replicate(1, 0.95, 4.0, num_epochs=2)], mode="quick")
    write_report(path)
    assert "2016 reference" not in (path / "report.html").read_text().partition('id="chart-phases"')[2][:9000]


def test_numbers_are_aligned_to_the_right_and_texts_to_the_left():
    columns = ["stack", Column("epoch", SECONDS), Column("interval", SHARE_INTERVAL), Column("p", PROBABILITY)]
    section = Section("t", columns=columns, rows=[["jax", 0.851, (0.5, 0.25), None], ["b", None, (None, None), 1e-9]])
    assert section.cells == [["jax", "851 ms", "50.0 % to 25.0 %", MISSING], ["b", MISSING, MISSING, "< 0.0001"]]
    text = to_html(Page("page", "headline", [section]))
    assert re.findall('<th scope="col"( class="number")?', text) == ["", *[' class="number"'] * 3]
    assert re.findall('<t[dh](?: scope="row")?( class="number")?>', text) == ["", *[' class="number"'] * 3] * 2


# --- a picture never costs the numbers --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_plot_that_cannot_be_drawn_is_named_in_both_reports(tmp_path, monkeypatch):
    def refuse(*_):
        raise RuntimeError("no ink")

    monkeypatch.setitem(DRAW, "phases", refuse)
    path = write_example_run(tmp_path, replicates())
    sentence = "the plot phases of report.html was not drawn (RuntimeError: no ink)"
    write_page(path)
    assert sentence in (path / "report.md").read_text(encoding="utf-8")
    text = (path / "report.html").read_text(encoding="utf-8")
    assert sentence in text and 'id="chart-phases"' not in text and 'id="chart-memory"' in text


@pytest.mark.slow
def test_without_plotly_there_is_a_page_without_plots(tmp_path, monkeypatch):
    import sys

    for name in {"plotly", *(name for name in sys.modules if name.startswith("plotly."))}:
        monkeypatch.setitem(sys.modules, name, None)
    path = write_example_run(tmp_path, replicates())
    write_report(path)
    text = (path / "report.html").read_text(encoding="utf-8")
    assert "was not drawn (ModuleNotFoundError" in text and "<figure" not in text and "44.2\N{NO-BREAK SPACE}s" in text


@pytest.mark.slow
def test_a_page_that_cannot_be_written_is_one_sentence(tmp_path):
    path = write_example_run(tmp_path, replicates())
    (path / "report.html").mkdir()
    with pytest.raises(RecordError, match=r"cannot write .* the record itself is kept"):
        write_words(path)


# --- text -------------------------------------------------------------------------------------------------------------


def test_what_is_cut_says_so():
    assert clean("a" * TEN_MEGABYTES, 5) == "aaaaa… (cut: 10,000,000 characters in all)"
    assert clean("ab\n c", 5) == "ab c"
    assert clean(" " * 20 + "late", 5) == "… (cut: 24 characters in all)"


@given(st.text(max_size=300), st.integers(1, 50))
def test_cleaned_text_is_one_printable_line_of_bounded_length(text, length):
    shown = clean(text, length)
    assert shown.isprintable() or shown == ""
    assert len(shown) <= length + len("… (cut: 300 characters in all)")


@given(st.text(max_size=200))
def test_a_label_has_no_tag_but_its_line_break_and_a_hover_text_no_value(text):
    assert not re.search(r"<(?!br>)", label(text))
    assert all(len(html.unescape(line)) <= MAX_LINE for line in label(text).split("<br>"))
    assert "<" not in hover_text(text) and "%{" not in hover_text(text)


def test_a_record_cannot_write_into_the_page():
    name = "</script><script>alert(1)</script>"
    figure = {"data": [{"name": name}], "layout": {"height": 1}}
    chart = Chart("one", name, name, figure, pd.DataFrame({"stack": [name]}))
    page = Page(name, name, [Section(name, [name], [name], [[name]], ["one"], [name])], {"one": chart}, [(name, name)])
    parsed = Parsed(to_html(page))
    assert len(parsed.texts["script"]) == 3 and "alert(1)" not in parsed.texts["script"]
    assert parsed.texts["h1"] == [name] and name in parsed.texts["th"]


# --- sections and their plots -----------------------------------------------------------------------------------------


def test_a_plot_stands_once_where_it_is_named_first():
    sections = [Section("One", ["a"], plots=["x"]), Section("Two", ["b"], plots=["y", "x"])]
    assert [names for _, names in with_plots(sections, {"x", "y"})] == [["x"], ["y"]]


def test_a_section_of_nothing_but_plots_is_left_out_where_none_is_drawn():
    sections = [Section("Empty", plots=["x"]), Section("Full", ["text"])]
    assert to_markdown("first", sections) == "first\n\n## Full\n\ntext\n"
    assert "## Empty\n\n![words](x.svg)" in to_markdown("first", sections, {"x": Plot("x.svg", "words")})


# --- dots and axes ----------------------------------------------------------------------------------------------------

SAMPLES = st.dictionaries(
    st.integers(1, 4),
    st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=3 * MAX_DOTS),
    min_size=1,
)


@pytest.mark.slow
@settings(max_examples=40)
@given(SAMPLES)
def test_dots_are_thinned_evenly_and_never_lose_the_shortest_or_the_longest(by_process):
    samples = pd.DataFrame(
        [
            {"what": "w", "measurement": "m", "process": process, "round": 0, "sample_index": at, "seconds": value}
            for process, values in by_process.items()
            for at, value in enumerate(values)
        ]
    )
    chart = lanes_chart("name", "Steps", samples, lambda rows: rows["what"].iloc[0], ["what"])
    for process, values in by_process.items():
        kept = list(chart.data[chart.data["process"] == process]["seconds"])
        assert len(kept) == min(len(values), MAX_DOTS)
        assert (min(kept), max(kept)) == (min(values), max(values))
    thinned = max(len(values) for values in by_process.values()) > MAX_DOTS
    assert (f"of more than {MAX_DOTS} samples" in chart.title) == thinned
    assert sorted(chart.figure["data"][0]["x"]) == sorted(chart.data["seconds"])


@given(st.floats(1e-9, 1e9), st.floats(1.5, 1e7))
@example(274448388.0, 3219.0)
def test_a_logarithmic_axis_has_a_label_within_it_and_few_of_them(low, factor):
    within = [value for value in log_axis(low, low * factor)["tickvals"] if low / 3.4 <= value <= low * factor * 3.4]
    assert 1 <= len(within) <= 9


# --- looks ------------------------------------------------------------------------------------------------------------


def luminance(colour):
    """Relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_colour_of_the_plots_stands_out_from_light_and_dark_paper():
    css = files("bench.document.html").joinpath("templates", "style.css").read_text()
    (papers,) = re.findall(r"--paper: light-dark\((#\w{6}), (#\w{6})\)", css)
    for colour in (*style.COLOURS, *style.PHASES.values(), *(colour for colour, _ in style.KINDS.values())):
        for paper in papers:
            low, high = sorted((luminance(colour), luminance(paper)))
            assert (high + 0.05) / (low + 0.05) >= 3, (colour, paper)


def test_stacks_share_a_look_only_when_colours_and_symbols_have_run_out():
    keys = [style.StackKey("b", str(number), "cpu", None, 1) for number in range(4 * len(style.COLOURS))]
    found = {tuple(one.values()) for one in style.styles_of(keys).values()}
    assert len(found) == len(keys)


def test_a_page_of_a_site_links_filters_and_shows_its_data_as_text():
    link = Link("<b>&", "machines/a-1/index.html")
    section = Section("T", [], ["kind", Column("to", LINK)], [["x", link]], filters=["kind"], files=["t.csv"])
    text = to_html(
        Page("t", "h", [section], links=[("Other", "other.html")], script="show();", data={"a": "</script>"})
    )
    assert '<a href="machines/a-1/index.html">&lt;b&gt;&amp;</a>' in text and '<a href="other.html">Other</a>' in text
    assert re.findall(r"<th scope=\"col\" data-filter[^>]*>(\w+)", text) == ["kind"] and 'href="t.csv"' in text
    assert "</script>" not in re.search(r'id="data">(.*?)</script>', text)[1] and 'id="view"' in text
    assert to_markdown("h", [section]).splitlines()[-1].split("|")[2].strip() == "&lt;b&gt;&amp;"
