"""Records of the contract suite: what the tool writes, and what is committed."""

import json
import subprocess
from types import SimpleNamespace

import msgspec
import pytest

from bench.errors import BenchError
from bench.measure.conformance.judge import CLAUSES, ClauseResult
from bench.measure.worker import PROJECT
from tools import conformance

RECORDS = PROJECT / "results" / "conformance"


@pytest.fixture
def printed(monkeypatch):
    """``printed(text)``: ``bench conform`` prints ``text`` and ends with 1; returns the argument lists of its calls."""

    def printed(text):
        calls = []

        def run(argv, stdout):
            calls.append(argv[1:])
            return subprocess.CompletedProcess(argv, 1, text)

        monkeypatch.setattr(conformance, "subprocess", SimpleNamespace(run=run, PIPE=subprocess.PIPE))
        return calls

    return printed


def test_a_record_is_what_conform_prints_with_its_provenance(tmp_path, printed):
    folder = tmp_path / "machine" / "record"
    calls = printed(b'[{"conforms": false}]\n')
    conformance.main([str(folder), "numpy"])
    assert calls == [["-m", "bench", "conform", "numpy", *conformance.OPTIONS]]
    assert (folder / "numpy.json").read_bytes() == b'[{"conforms": false}]\n'
    found = json.loads((folder / "provenance.json").read_text())
    assert found.keys() == {"date", "commit", "machine"} and found["commit"].keys() == {"id", "dirty"}
    assert found["machine"]["packages"]["numpy"]


def test_bad_input_writes_no_record(tmp_path, printed):
    printed(b"")
    with pytest.raises(SystemExit) as caught:
        conformance.main([str(tmp_path), "nothing"])
    assert caught.value.code == 1 and not list(tmp_path.iterdir())
    with pytest.raises(SystemExit, match="usage"):
        conformance.main([])


def record(folder, date, *stacks):
    folder.mkdir(parents=True)
    machine = {
        "cpu_model": "CPU | X",
        "python": "CPython 3.12.1",
        "packages": {"keras": "3.1", "jax": None, "numpy": "2"},
    }
    provenance = {"date": date, "commit": {"id": "0123456789", "dirty": False}, "machine": machine}
    (folder / "provenance.json").write_text(json.dumps(provenance))
    (folder / "keras.json").write_text(json.dumps(stacks))
    return folder


def stack(variant, *states):
    clauses = [
        {"clause": f"c{number}", "title": f"clause {number}", "state": state, "detail": "", "share": None}
        | {"cause": "a | b" if state == "violated" else None}
        for number, state in enumerate(states, 1)
    ]
    conforms = not {"violated", "not judged"} & set(states)
    return {"backend": "keras", "variant": variant, "device": "cpu", "conforms": conforms, "clauses": clauses}


def test_the_table_is_of_the_newest_record(tmp_path):
    with pytest.raises(BenchError, match="holds no record of the contract suite"):
        conformance.newest_record(tmp_path)
    wrong = stack("jax", "violated", "holds", "not judged", "violated")
    newest = record(tmp_path / "b" / "1", "2026-02-01T00:00:00+00:00", wrong, stack("torch", "holds", "not applicable"))
    record(tmp_path / "a" / "2", "2026-01-31T00:00:00+00:00")
    assert conformance.newest_record(tmp_path) == newest
    table, _, below = conformance.table_of(newest).partition("\n\n")
    first, second = ([cell.strip() for cell in line.split(" | ")] for line in table.splitlines()[2:])
    assert first[0].endswith("keras/torch on cpu") and first[1] == "1 of 1"
    assert second[0].endswith("keras/jax on cpu") and second[1] == "1 of 4"
    assert second[2] == "clause 1; clause 3 (not judged); clause 4" and second[3].startswith(r"a \| b")
    assert below.startswith(r"CPython 3.12.1, keras 3.1, on CPU \| X, at commit 0123456, 2026-02-01; record: `")


def test_the_committed_records_are_whole():
    """Every clause of every stack, one stack that conforms, and for every other one a clause that says why."""
    folders = {path.parent for path in RECORDS.glob("*/*/provenance.json")}
    assert folders
    for folder in folders:
        provenance = json.loads((folder / "provenance.json").read_text())
        assert provenance["commit"] == {"id": provenance["commit"]["id"], "dirty": False}
        assert folder.name == f"{provenance['date'][:10]}-{provenance['commit']['id'][:7]}"
        stacks = conformance.stacks_of(folder)
        assert {stack["conforms"] for stack in stacks} == {True, False}
        for stack in stacks:
            results = msgspec.convert(stack["clauses"], list[ClauseResult])
            assert len(results) == len(CLAUSES) and stack["conforms"] == all(one.passes for one in results)
