"""A record is complete or absent, survives what happens to disks, and is refused when it cannot be understood."""

import errno
import json
import os

import pytest
from example_run import case, measurement, planned, replicate, run_header, write_example_run

from bench.errors import BenchError, RecordError
from bench.records.formats import open_run
from bench.records.run_folder import SCHEMA_VERSION, RunFolder, latest_run

ONE = replicate(case("epoch"), [measurement("train_epoch", [2.0, 2.1], examples=50_000)])


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "runs", run_header())


def files(path):
    return sorted(found.relative_to(path).as_posix() for found in path.rglob("*") if found.is_file())


def test_what_is_appended_is_read_back_in_order_with_its_sequence(folder):
    folder.append(ONE)
    folder.append({**ONE, "round": 1})
    read = RunFolder.open(folder.path).replicates()
    assert read == [{**ONE, "sequence": 1}, {**ONE, "round": 1, "sequence": 2}]
    assert files(folder.path) == ["replicates/0001.json", "replicates/0002.json", "run.json"]


def test_the_order_survives_ten_thousand_replicates(folder):
    for sequence in (9999, 10000, 2):
        (folder.path / "replicates" / f"{sequence:04d}.json").write_text(json.dumps({**ONE, "sequence": sequence}))
    assert [entry["sequence"] for entry in folder.replicates()] == [2, 9999, 10000]
    assert folder.append(ONE).name == "10001.json"


def test_the_header_keeps_what_is_not_changed(folder):
    folder.update_header(status="interrupted")
    assert RunFolder.open(folder.path).header == run_header(status="interrupted")


def test_fields_of_another_version_survive_a_rewrite(folder):
    file = folder.path / "run.json"
    later = {"added_later": {"a": 1}, "machine": {"usable_cores": 2, "added_later": 3}}
    file.write_text(json.dumps(json.loads(file.read_text()) | later))
    RunFolder.open(folder.path).update_header(status="interrupted")
    assert json.loads(file.read_text()).items() >= (later | {"status": "interrupted"}).items()


def test_a_run_is_never_overwritten(folder):
    folder.append(ONE)
    other = RunFolder.create(folder.path.parent, run_header())
    assert other.path.name == other.header.run_id == f"{folder.header.run_id}-2"
    assert len(folder.replicates()) == 1


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_json_does_not_have_is_written_as_null(folder, number):
    path = folder.append(replicate(case("epoch"), [measurement("train_epoch", [number, 2.0], loss=[(number,)])]))
    (read,) = json.loads(path.read_text())["measurements"]
    assert read["seconds"] == [None, 2.0]
    assert read["extra"] == {"loss": [[None]]}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_failed_write_is_one_sentence_and_loses_nothing(folder, monkeypatch, code, where):
    folder.append(ONE)

    def fail(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, where, fail)
    with pytest.raises(RecordError) as caught:
        folder.append(ONE)
    assert os.strerror(code) in str(caught.value)
    assert f"make bench RESUME={folder.path.name}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files(folder.path) == ["replicates/0001.json", "run.json"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, TypeError])
def test_whatever_stops_a_write_leaves_no_temporary_file(folder, monkeypatch, stop):
    def interrupted(*arguments):
        raise stop

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(stop):
        folder.append(ONE)
    assert files(folder.path) == ["run.json"]


def test_a_run_that_cannot_even_begin_leaves_no_folder(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordError, match=r"No space left on device\): free space, or name another folder"):
        RunFolder.create(tmp_path, run_header())
    assert not list(tmp_path.iterdir())


def test_a_run_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    with pytest.raises(RecordError, match=r"cannot write .*: free space, or name another folder with --runs-dir"):
        RunFolder.create(tmp_path / "runs", run_header())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ('{"schema_version": 1, "run_', "Unterminated string"),
        ('["run"]', "list indices"),
        ("7", "not subscriptable"),
        ("{}", "it has no 'schema_version'"),
        ('{"schema_version": 1}', "missing required field `run_id`"),
        ('{"schema_version": "1"}', "schema_version is '1'"),
    ],
)
def test_a_damaged_header_is_one_sentence(folder, text, why):
    (folder.path / "run.json").write_text(text)
    with pytest.raises(RecordError, match="is damaged") as caught:
        RunFolder.open(folder.path)
    assert why in str(caught.value)


def test_bytes_that_are_no_text_are_damage_too(folder):
    (folder.path / "run.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecordError, match="is damaged"):
        RunFolder.open(folder.path)


@pytest.mark.parametrize(
    ("wrote", "reader"), [("9.8.7", "update to mlp-bench 9.8.7 or newer"), (None, "update to a newer mlp-bench")]
)
def test_a_newer_record_says_which_version_reads_it(folder, wrote, reader):
    folder.update_header(schema_version=SCHEMA_VERSION + 1, mlp_bench=wrote)
    expected = f"schema version {SCHEMA_VERSION + 1}, .* reads up to {SCHEMA_VERSION}: {reader}"
    with pytest.raises(RecordError, match=expected):
        RunFolder.open(folder.path)


def test_fields_that_a_reader_does_not_know_are_ignored(folder):
    (known,) = ONE["measurements"]
    newer = {**known, "extra": {**known["extra"], "added_later": 1}, "added_later": [1]}
    folder.append({**ONE, "measurements": [newer], "added_later": {}})
    assert folder.replicates() == [{**ONE, "sequence": 1}]


def test_numbers_that_json_does_not_have_are_read_as_missing(folder):
    path = folder.append(replicate(case("epoch"), [measurement("train_epoch", [3.0, 4.0, 2.0], flop=5.0)]))
    path.write_text(path.read_text().replace("3.0", "NaN").replace("4.0", "1e999").replace("5.0", "-Infinity"))
    ((read,),) = (one["measurements"] for one in folder.replicates())
    assert (read["seconds"], read["extra"]) == ([None, None, 2.0], {"flop": None})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_record_that_an_editor_saved_in_its_own_encoding_is_read(folder, encoding):
    path = folder.append(ONE)
    path.write_text(path.read_text(), encoding=encoding)
    assert folder.replicates() == [{**ONE, "sequence": 1}]


@pytest.mark.parametrize(
    "damage",
    [
        "",
        '{"case": {"harness": "ep',
        "[]",
        "{}",
        json.dumps({**ONE, "sequence": 1, "case": None}),
        json.dumps({**ONE, "sequence": None}),
        json.dumps({**ONE, "sequence": 1, "status": "maybe"}),
        json.dumps({**ONE, "sequence": 1, "measurements": None}),
        json.dumps({**ONE, "sequence": 1, "measurements": [{"seconds": [1.0]}]}),
        json.dumps({**ONE, "sequence": 1, "measurements": [measurement("load", ["fast"])]}),
        json.dumps({**ONE, "sequence": 1, "measurements": [{"name": "load", "seconds": [1.0]}]}),
    ],
)
def test_a_damaged_replicate_is_named_and_the_rest_is_read(folder, damage):
    first = folder.append(ONE)
    folder.append(ONE)
    first.write_text(damage)
    assert [entry["sequence"] for entry in folder.replicates()] == [2]
    (problem,) = folder.problems
    assert problem.startswith("0001.json cannot be read (")
    assert folder.append(ONE).name == "0003.json"  # the damaged file is evidence, and is not written over


def test_half_written_files_of_a_killed_run_are_not_read(folder):
    folder.append(ONE)
    (folder.path / "replicates" / "tmpabc.partial").write_text('{"case": ')
    assert len(folder.replicates()) == 1
    assert folder.problems == []


def test_a_folder_without_a_run_is_one_sentence(tmp_path):
    with pytest.raises(RecordError, match=r"is not a run, it has no run\.json"):
        RunFolder.open(tmp_path)


def test_the_latest_run_is_the_last_that_started(tmp_path):
    moments = ("2026-11-20T03:00:00+00:00", "2026-11-20T09:45:00+09:00", "2026-11-19T23:30:00-04:00", "2026-11-20")
    for number, started_at in enumerate(moments):
        write_example_run(tmp_path, [], run_id=f"{9 - number}", started_at=started_at)
    assert latest_run(tmp_path).name == "7"


def test_a_run_that_does_not_say_when_it_started_is_dated_by_its_file(tmp_path):
    write_example_run(tmp_path, [], run_id="dated", started_at="2001-01-01T00:00:00+00:00")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text('{"run_id": ')
    assert latest_run(tmp_path).name == "damaged"
    os.utime(tmp_path / "damaged" / "run.json", (0, 0))
    assert latest_run(tmp_path).name == "dated"


@pytest.mark.parametrize("exists", [True, False])
def test_no_runs_at_all_is_one_sentence(tmp_path, exists):
    with pytest.raises(RecordError, match="holds no runs: measure one with make bench"):
        latest_run(tmp_path if exists else tmp_path / "nowhere")


def test_a_copy_of_a_replicate_does_not_count_twice(folder):
    first = folder.append(ONE)
    folder.append({**ONE, "round": 1})
    for name in ("0001 (copy).json", "0003.json"):
        (first.parent / name).write_bytes(first.read_bytes())
    assert [one["sequence"] for one in folder.replicates()] == [1, 2]
    assert folder.problems == [
        f"{name} has the number of 0001.json and was left out, or it would count twice"
        for name in ("0003.json", "0001 (copy).json")
    ]


@pytest.mark.parametrize(("status", "num_problems"), [("complete", 1), ("interrupted", 0)])
def test_files_that_a_complete_run_has_lost_are_counted(tmp_path, status, num_problems):
    folder = RunFolder.open(write_example_run(tmp_path, [ONE], plan=[planned(ONE["case"], 3)], status=status))
    assert len(folder.replicates()) == 1
    assert folder.problems == ["of its 3 processes, 2 have no file in replicates any more"] * num_problems


def test_a_run_without_its_folder_of_replicates_says_so(tmp_path):
    folder = RunFolder.open(write_example_run(tmp_path, []))
    (folder.path / "replicates").rmdir()
    assert folder.replicates() == [] and folder.problems == ["its folder replicates is missing, or may not be read"]
    with pytest.raises(BenchError, match=r"holds no samples to export \(its folder replicates is missing"):
        open_run(folder.path)
