"""Comparison of the numbers of two checkouts: words may differ, and a changed number is named."""

import json

import pandas as pd
import pytest

from benchmarks.same_numbers import differences, numbers_in


def written(folder, summary, samples):
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps(summary))
    pd.DataFrame(samples).to_csv(folder / "samples.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("summary", "samples", "found"),
    [
        ({"lower_bounds": [1.5], "mode": "other words"}, {"round": [0], "sample_index": [3]}, []),
        (
            {"lower_bounds": [1.6], "mode": "words"},
            {"round": [0], "sample_index": [3]},
            ["summary.json /lower_bounds/0: 1.5 and 1.6"],
        ),
        ({"lower_bounds": [1.5], "mode": "words"}, {"round": [0]}, ["samples.csv sample_index: only in one checkout"]),
    ],
)
def test_a_number_that_differs_is_named_and_words_are_not(tmp_path, summary, samples, found):
    old = written(tmp_path / "old", {"lower_bounds": [1.5], "mode": "words"}, {"round": [0], "sample_index": [3]})
    new = written(tmp_path / "new", summary, samples)
    assert differences(numbers_in(old), numbers_in(new)) == found
