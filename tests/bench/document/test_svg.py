"""Pictures are the same whatever the user's matplotlib is set to."""

import os
import subprocess
import sys

import pytest

DRAW = "from bench.document.svg import svg_of; print(svg_of(lambda axes: axes.plot([1, 2], label='a')))"
RC = "backend: nosuch\nlines.linewidth: 9\nfont.size: 30\nsvg.fonttype: path\naxes.facecolor: red\ntext.usetex: True\n"


def drawn(tmp_path, **variables):
    environment = {**os.environ, "PYTHONPATH": os.getcwd()} | variables
    done = subprocess.run(
        [sys.executable, "-c", DRAW], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_neither_mplbackend_nor_matplotlibrc_changes_a_picture(tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "matplotlibrc").write_text(RC)
    expected = drawn(tmp_path / "plain")
    assert expected.startswith("<?xml")
    assert drawn(tmp_path, MPLBACKEND="module://a_notebook_that_is_not_installed") == expected
