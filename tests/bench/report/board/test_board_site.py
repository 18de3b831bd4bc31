"""The files of the site, the folder they are written into, and the command."""

import csv
import io
import json
import posixpath
import re
import shlex
from datetime import date
from pathlib import Path

import pytest
from board_runs import write_run, write_summary
from html_pages import HOSTILE

from bench import cli
from bench.cli.board import board
from bench.errors import RecordError
from bench.report.board import pages
from bench.report.board.board import read_board, sources
from bench.report.board.site import MARKER, check_folder, site_files, write_site
from bench.report.history import find_runs

BUILT = date(2026, 2, 1)
NAMES = ["Example CPU", HOSTILE, "../../etc/passwd", "| # _x_ [y](javascript:z) `"]
PROJECT = Path(__file__).parents[4]
RECORDS = PROJECT / "results" / "records"


def board_of(folder):
    return read_board(sources(find_runs([folder]), [folder], folder), BUILT)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The site of four machines, three of them with hostile names; one record is not what its samples give."""
    folder = tmp_path_factory.mktemp("board") / "records"
    for day, name in enumerate(NAMES, 1):
        write_run(folder, day, speed=day, cpu_model=name)
    write_summary(write_run(folder, 9), mean_test_accuracy=1.0)
    return site_files(board_of(folder))


def rows_in(text):
    return list(csv.DictReader(io.StringIO(text)))


# --- contents ---------------------------------------------------------------------------------------------------------


def test_every_view_has_its_data_as_csv_and_json(files):
    for name, key in (("ranking", "rows"), ("machines", "machines"), ("left-out", "left_out")):
        assert len(rows_in(files[f"{name}.csv"])) == len(json.loads(files[f"{name}.json"])[key]) > 0
    for address in (one["machine_address"] for one in json.loads(files["machines.json"])["machines"]):
        data = json.loads(files[f"machines/{address}/machine.json"])
        for name in ("stacks", "phases", "runs", "history"):
            assert len(rows_in(files[f"machines/{address}/{name}.csv"])) == len(data[name]) > 0


def test_every_link_leads_to_a_file_of_the_site(files):
    for name, text in files.items():
        if name.endswith(".html"):
            addresses = [one for one in re.findall(r'href="([^"#?]+)', text) if not one.startswith("data:")]
            targets = {posixpath.normpath(posixpath.join(posixpath.dirname(name), one)) for one in addresses}
            assert targets and targets <= files.keys()


def test_null_stays_null_with_its_reason(files):
    for row in json.loads(files["ranking.json"])["rows"]:
        for name in ("rank", "hardware_rank", "comparison_key", "fitness"):
            assert (row[name] is None) == (row[f"{name}_missing_because"] is not None)
    (first, *_) = rows_in(files["ranking.csv"])
    assert first["fitness"] == "" and "older" in first["fitness_missing_because"]


def test_the_age_of_the_oldest_and_the_newest_record_is_shown(files):
    assert "2026-01-01 (31 days before this board)" in files["index.html"]
    assert "2026-01-04 (28 days before this board)" in files["index.html"]
    about = json.loads(files["ranking.json"])
    assert (about["oldest_started_at"][:10], about["newest_started_at"][:10]) == ("2026-01-01", "2026-01-04")


def test_addresses_are_plain_and_the_same_when_built_again(files, tmp_path):
    assert all(
        name == name.lower() and not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-./") for name in files
    )
    folder = tmp_path / "records"
    for day, name in enumerate(NAMES, 1):
        write_run(folder, day, speed=day, cpu_model=name)
    write_run(folder, 20, cpu_model="One more")
    again = site_files(board_of(folder))
    assert {name for name in files if name.startswith("machines/")} < set(again)


def test_hostile_names_are_escaped_everywhere(files):
    for name, text in files.items():
        if name.endswith(".html"):
            assert "<script>window.hacked" not in text and "<img src=x" not in text
    (row,) = (row for row in rows_in(files["ranking.csv"]) if "hacked" in row["machine"])
    assert "\u202e" not in row["machine"]


def test_left_out_records_are_listed_with_the_reason(files):
    assert "its summary.json says a test accuracy of 100.00\N{NO-BREAK SPACE}%" in files["left-out.html"]
    assert "Left out (1)" in files["index.html"]


def test_a_long_ranking_is_on_several_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "ROWS_PER_PAGE", 2)
    for day in (1, 2, 3):
        write_run(tmp_path, day, day, cpu_model=f"CPU {day}")
    files = site_files(board_of(tmp_path))
    assert "rows 1 to 2 of 3" in files["index.html"] and "rows 3 to 3 of 3" in files["ranking-2.html"]
    assert len(rows_in(files["ranking.csv"])) == 3


def test_what_changed_between_runs_is_on_the_page_of_the_machine(tmp_path):
    for day, version in ((1, "2.0.0"), (2, "2.1.0")):
        write_run(tmp_path, day, packages={"numpy": version})
    files = site_files(board_of(tmp_path))
    (page,) = (text for name, text in files.items() if name.startswith("machines/") and name.endswith(".html"))
    assert "packages numpy 2.0.0 to 2.1.0" in page


# --- the folder -------------------------------------------------------------------------------------------------------


def test_a_board_is_written_again_and_its_own_old_files_go(tmp_path):
    site = tmp_path / "site"
    write_site(site, {"index.html": "old", "machines/a-1/index.html": "old"})
    (site / "CNAME").write_text("foreign")
    write_site(site, {"index.html": "new"})
    assert sorted(path.name for path in site.iterdir()) == ["CNAME", "index.html", MARKER]
    assert (site / "index.html").read_text() == "new"
    assert check_folder(site) == {"index.html"}


def test_a_folder_that_is_neither_empty_nor_a_board_is_refused_and_kept(tmp_path):
    (tmp_path / "index.html").write_text("foreign")
    with pytest.raises(RecordError, match="neither empty nor a board, and nothing in it was changed"):
        write_site(tmp_path, {"index.html": "new"})
    assert [path.read_text() for path in tmp_path.iterdir()] == ["foreign"]


def test_a_foreign_file_in_a_board_is_not_overwritten(tmp_path):
    write_site(tmp_path, {"index.html": "old"})
    (tmp_path / "left-out.html").write_text("foreign")
    with pytest.raises(RecordError, match=r"left-out.html is not of the board"):
        write_site(tmp_path, {"index.html": "new", "left-out.html": "new"})
    assert (tmp_path / "index.html").read_text() == "old"


@pytest.mark.parametrize(
    "listed", ['{"files": ["../x"]}', '{"files": ["/x"]}', '{"files": "x"}', "{}", "{", '{"files": [1]}']
)
def test_a_damaged_marker_deletes_nothing(tmp_path, listed):
    site = tmp_path / "site"
    site.mkdir()
    (tmp_path / "x").write_text("foreign")
    (site / MARKER).write_text(listed)
    with pytest.raises(RecordError, match="is damaged"):
        write_site(site, {"index.html": "new"})
    assert (tmp_path / "x").exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "site").write_text("foreign")
    with pytest.raises(RecordError, match="is a file, not a folder"):
        check_folder(tmp_path / "site")


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_builds_the_site_and_names_it(invoke, tmp_path):
    write_run(tmp_path / "records")
    result = invoke("board", tmp_path / "records", "--output", tmp_path / "site")
    assert result.exit_code == 0
    assert f"1 rows of 1 machines from 1 records; 0 left out: {tmp_path / 'site' / 'index.html'}" in result.stdout
    shown = invoke("board", tmp_path / "records", "--output", tmp_path / "site", "--json")
    assert len(json.loads(shown.stdout)["rows"]) == 1


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [("nowhere", "there are no runs in"), ("empty", "there are no runs in"), ("bad", "no record")],
)
def test_bad_input_is_one_sentence(invoke, tmp_path, folder, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad" / "run").mkdir(parents=True)
    (tmp_path / "bad" / "run" / "run.json").write_text("{")
    result = invoke("board", tmp_path / folder, "--output", tmp_path / "site")
    assert result.exit_code == cli.BAD_INPUT and sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1 and not (tmp_path / "site").exists()


def test_a_foreign_output_folder_is_refused_before_anything_is_read(invoke, tmp_path):
    write_run(tmp_path / "records")
    result = invoke("board", tmp_path / "records", "--output", tmp_path / "records")
    assert result.exit_code == cli.BAD_INPUT and "neither empty nor a board" in result.stderr


def test_stdout_is_no_folder(invoke, tmp_path):
    result = invoke("board", tmp_path, "--output", "-")
    assert result.exit_code == cli.BAD_INPUT and "--output names a folder" in result.stderr


@pytest.mark.slow
def test_the_committed_records_are_all_on_the_board(invoke, tmp_path):
    result = invoke("board", RECORDS, "--output", tmp_path / "site", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["num_left_out"] == 0 and found["num_records"] == len(list(RECORDS.glob("*/*/run.json")))
    summaries = [json.loads(path.read_text()) for path in RECORDS.glob("*/*/summary.json")]
    published = {
        (summary["run_id"], one["backend"], one["variant"]): one["total_seconds"]["center"]
        for summary in summaries
        for one in summary["reference_runs"]
    }
    for row in found["rows"]:
        if row["num_runs"] < 3:
            assert row["seconds"] == pytest.approx(published[row["run_id"], row["backend"], row["variant"]])
    assert len(found["rows"]) == len(published)


def test_the_workflow_may_write_to_pages_only_and_its_command_is_understood():
    workflow = (PROJECT / ".github" / "workflows" / "board.yml").read_text()
    assert re.findall(r"(\S+): write", workflow) == ["pages", "id-token"] and "secrets." not in workflow
    (command,) = re.findall(r"run: \S+ -m bench board (.+)", workflow)
    chosen = board.make_context("board", shlex.split(command)).params
    assert chosen["output"].name in re.findall(r"path: (.+)", workflow)
