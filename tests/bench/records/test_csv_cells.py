"""Names stay text in CSV, whatever they look like and whatever bytes they came from."""

import csv
import io

import pandas as pd
import pytest

from bench.records.csv_cells import cell, shielded, to_csv


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_name_that_looks_like_a_formula_is_shown_as_text(name):
    assert cell(name) == f"'{name}"


@pytest.mark.parametrize("value", [-1.5, 7, None, "theano/tuned on cpu", "", True])
def test_what_is_no_formula_stays_what_it_is(value):
    assert cell(value) is value or cell(value) == value


def test_a_name_that_is_not_utf_8_does_not_stop_the_file():
    assert cell("a\udcffb") == "a\\udcffb"


def test_rows_are_read_back_by_any_reader():
    rows = list(csv.reader(io.StringIO(to_csv(("a", "b"), [('x,\n"y"', None), ("=1", -2)]))))
    assert rows == [["a", "b"], ['x,\n"y"', ""], ["'=1", "-2"]]


def test_every_text_column_of_a_frame_is_shielded():
    frame = pd.DataFrame({"text": ["=1", None], "kind": pd.Categorical(["@a", "b"]), "seconds": [-1.0, 2.0]})
    text = shielded(frame.assign(more=frame["text"].astype("string"))).to_csv(index=False)
    assert text == "text,kind,seconds,more\n'=1,'@a,-1.0,'=1\n,b,2.0,\n"
