import errno
import os

import pytest
from example_run import write_example_run

from bench.errors import RecordError
from bench.records.find import find, find_run


@pytest.fixture
def places(tmp_path):
    """Folders for runs and for records, with two runs and a record in them."""
    for run_id in ("older", "run"):
        write_example_run(tmp_path / "runs", [], run_id=run_id)
    write_example_run(tmp_path / "records" / "machine", [], run_id="record")
    return tmp_path / "runs", tmp_path / "records"


def test_a_run_is_named_by_its_id_its_folder_its_record_or_latest(places):
    runs, records = places
    assert find_run("older", *places) == runs / "older"
    assert find_run(str(runs / "older"), *places) == runs / "older"
    assert find_run("machine/record", *places) == records / "machine" / "record"
    assert find_run("latest", *places) == find_run(None, *places) == runs / "run"


def test_the_id_that_history_shows_of_a_record_names_it(places):
    _, records = places
    write_example_run(records / "other", [], run_id="20260102-030405-0123456").rename(records / "other" / "2026-01-02")
    assert find_run("20260102-030405-0123456", *places) == records / "other" / "2026-01-02"
    assert find_run("2026-01-02", *places) == records / "other" / "2026-01-02"
    write_example_run(records / "another", [], run_id="2026-01-02")
    with pytest.raises(RecordError, match=r"2 records are called 2026-01-02: name one by its path, .*other/2026"):
        find_run("2026-01-02", *places)


def test_a_file_can_be_compared_but_is_no_run_folder(places, tmp_path):
    (tmp_path / "pyperf.json").write_text("{}")
    word = str(tmp_path / "pyperf.json")
    assert find(word, *places) == tmp_path / "pyperf.json"
    with pytest.raises(RecordError, match=r"pyperf\.json is a file, not a run folder"):
        find_run(word, *places)


def test_a_pipe_is_a_file_as_a_shell_makes_one_of_a_command(places, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert find(str(tmp_path / "pipe"), *places) == tmp_path / "pipe"
    with pytest.raises(RecordError, match="is a file, not a run folder"):
        find_run(str(tmp_path / "pipe"), *places)


def test_a_run_that_may_not_be_read_is_called_so(places, monkeypatch):
    def refuse(path, *arguments, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("pathlib.Path.is_file", refuse)
    with pytest.raises(RecordError, match=r"older cannot be read \(Permission denied\): check its permissions"):
        find_run("older", *places)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("nothing", "'nothing' is not a run: it is neither a run folder, nor an id in .*, nor a record in"),
        ("machine", "machine is a folder of 1 runs: name one of them, e.g. .*record"),
        ("x" * 5000, "x{200}…' is not a run"),
        ("a\0b", "is not a run"),
    ],
)
def test_a_word_that_names_no_run_is_one_sentence(places, word, sentence):
    with pytest.raises(RecordError, match=sentence):
        find_run(word, *places)


def test_where_there_is_no_run_there_is_no_latest(tmp_path):
    with pytest.raises(RecordError, match="holds no runs: measure one with make bench"):
        find_run("latest", tmp_path, tmp_path)
