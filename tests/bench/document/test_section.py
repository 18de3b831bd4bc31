"""Markdown shows names as text, by the rules of a library that renders it."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bench.document.section import Section, clean, escape_markdown, to_markdown

RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = "![i](http://example.org/x.png) **b** _c_ `d` ~~e~~ <b>f</b> [g]: h | \\* &amp; __init__"


def shown(text):
    return html.unescape(RENDERER.renderInline(text))


@given(st.text(alphabet="[]()!*_`~<>&|\\#+-=. 1aA\n\u00e4\U0001f600", max_size=30))
def test_any_text_is_shown_as_it_is(text):
    assert shown(escape_markdown(text).replace("\\|", "|")) == clean(text)


def test_names_inside_words_stay_readable_in_the_file():
    assert escape_markdown("train_epoch of theano/as_published, 1.5 GFLOP/s (-3 %)").count("\\") == 0


@pytest.mark.parametrize("text", [HOSTILE, "# a", "- a", "+ a", "1. a", "===", "---", "> a", "* a", "    a"])
def test_no_part_of_a_report_is_more_than_text(text):
    report = to_markdown(text, [Section(text, [text], [text, "x"], [[text, "y"]], notices=[text])])
    rendered = RENDERER.render(report)
    for live in ("<img", "<a ", "<strong", "<em", "<code", "<s>", "<b>", "<li", "<hr", "<h1", "<blockquote", "<pre"):
        assert live not in rendered
    assert html.unescape(rendered).count(f">{clean(text)}<") == 6
