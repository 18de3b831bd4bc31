"""A fleet of real processes: a scheduler and workers on loopback, each with a fate of its own."""

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import example_run
import pytest

pytest.importorskip("distributed", reason="Dask is not installed: make .venv/installed-fleet adds it")
pytest.importorskip("cryptography", reason="cryptography is not installed: make .venv/installed-fleet adds it")

import dask
import distributed
from distributed import Client, Scheduler, Worker

from bench.errors import RecordError
from bench.measure.fleet import engine, on_host
from bench.measure.fleet.coordinate import Programs
from bench.measure.fleet.engine import BOOTSTRAP
from bench.measure.fleet.hosts import FleetHost
from bench.measure.fleet.session import FleetSource, measure_fleet
from bench.measure.process import PROJECT
from bench.records import run_lock
from bench.records.fleet import FleetFolder, FleetHeader, HostRecord, HostState
from bench.records.run_folder import RunFolder
from mlp.dataset import STEMS

pytestmark = pytest.mark.slow
FAKE = Path(__file__).with_name("fake_suite.py")
PRINT = ("-c", "import sys; print(open(sys.argv[1]).read())")
DATASET = {"identity": "mnist", "sha256": {"images": "ab"}}
FACTS = {"commit": "1" * 40, "code": "code", "machine": "m", "boot": "b", "dataset": DATASET, "origin": "directory"}
FACTS |= {"data_problem": None, "doctor": []}
LOST = ("killed", "hanging", "full")


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    recorded = folder / "recorded.json"
    replicates = [{**one, "sequence": number} for number, one in enumerate(example_run.replicates()[:5], 1)]
    case = replicates[0]["case"]
    header = example_run.header(plan=[example_run.planned(case, num_processes=5)])
    recorded.write_text(json.dumps({"header": header, "replicates": replicates}))
    return Programs(PRINT, (str(FAKE), str(recorded)), silence_seconds=4.0, lock=str(folder / "lock"))


def host(where, name, **facts):
    """A local host that describes itself as ``facts``."""
    path = where / f"{name}-facts.json"
    path.write_text(json.dumps({**FACTS, "folder": str(where / "parts"), **facts}))
    return FleetHost(name, data=str(path))


def new_fleet(folder, hosts):
    records = tuple(HostRecord(one.name) for one in hosts)
    return FleetFolder.create(folder, FleetHeader("fleet", "local", (), "1" * 40, "code", DATASET, records))


def measure(fleet, hosts, programs):
    lines = []
    measure_fleet(fleet, FleetSource("local", tuple(hosts)), fleet.path, lambda *line: lines.append(line), programs)
    return lines


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    """A file system of 128 kB, or None where none can be mounted."""
    folder = tmp_path_factory.mktemp("small-disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder], capture_output=True)
    yield folder if mounted.returncode == 0 else None
    if mounted.returncode == 0:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
def measured(tmp_path_factory, programs, small_disk):
    folder = tmp_path_factory.mktemp("fleet")
    hosts = [
        host(folder, "healthy"),
        host(folder, "killed"),
        host(folder, "no-data", dataset=None, origin="surrogate"),
        host(folder, "hanging"),
        host(folder, "other-commit", commit="2" * 40),
        host(folder, "changed", code="other"),
        host(folder, "damaged", dataset=None, data_problem="train-images is damaged."),
        replace(host(folder, "missing"), python="/nowhere/python"),
    ]
    hosts += [host(folder, "full", folder=str(small_disk))] if small_disk else []
    fleet = new_fleet(folder, hosts)
    for stem in STEMS:
        (fleet.path / stem).write_text(f"content of {stem}")
    lines = measure(fleet, hosts, programs)
    return fleet, hosts, lines


def test_a_healthy_host_is_measured_completely_beside_all_others(measured):
    fleet, _, lines = measured
    record = fleet.host("healthy")
    assert (record.state, record.num_replicates, record.reason) == (HostState.COMPLETE, 5, None)
    run = RunFolder.open(fleet.run_path("healthy"))
    assert len(run.replicates()) == 5 and not run.problems
    assert run.header.status == "complete" and run.header.run_id.endswith("-host-1")
    assert ("healthy", "5 of 5 processes") in lines


def test_data_that_a_host_lacks_are_sent_to_it(measured):
    fleet = measured[0]
    assert fleet.host("no-data").state is HostState.COMPLETE
    sent = fleet.path.parent / "parts" / "fleet" / "no-data" / "data"
    assert {path.name: path.read_text() for path in sent.iterdir()} == {one: f"content of {one}" for one in STEMS}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("killed", "its worker is gone: it was killed or lost"),
        ("hanging", "it sent nothing for 4 s: it hangs or is cut off"),
        ("full", "No space left on device"),
    ],
)
def test_a_lost_host_keeps_its_partial_record_which_says_so(measured, small_disk, name, reason):
    if name == "full" and small_disk is None:
        pytest.skip("a small file system cannot be mounted here")
    fleet = measured[0]
    record = fleet.host(name)
    assert record.state is HostState.PARTIAL and reason in record.reason
    run = RunFolder.open(fleet.run_path(name))
    assert 0 < len(run.replicates()) == record.num_replicates < 5
    assert run.header.status == "interrupted"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("other-commit", "it has the commit 2222222, and the fleet measures 1111111: check that out there"),
        ("changed", "its files of the suite differ from those here: check out the same commit, without changes"),
        ("damaged", "train-images is damaged"),
        ("missing", "it could not be started by /nowhere/python (No such file or directory)"),
    ],
)
def test_an_unfit_host_is_not_measured_and_says_why(measured, name, reason):
    record = measured[0].host(name)
    assert (record.state, record.reason, record.num_replicates) == (HostState.NOT_MEASURED, reason, 0)


def test_resume_asks_only_for_what_is_missing(measured, programs):
    """The killed host goes on where it was, and the one with a new folder from the copy of its record."""
    before, hosts, _ = measured
    fleet = FleetFolder.open(before.path)
    again = [one for one in hosts if one.name in ("healthy", "killed", "hanging")]
    first = (fleet.run_path("killed") / "replicates/0001.json").stat().st_mtime_ns
    moved = json.loads(Path(again[2].data).read_text()) | {"folder": str(before.path.parent / "elsewhere")}
    Path(again[2].data).write_text(json.dumps(moved))
    lines = measure(fleet, again, programs)
    assert {name for name, _ in lines} == {"killed", "hanging"}
    for name in ("killed", "hanging"):
        assert (fleet.host(name).state, fleet.host(name).num_replicates) == (HostState.COMPLETE, 5)
        assert RunFolder.open(fleet.run_path(name)).header.status == "complete"
    assert (fleet.run_path("killed") / "replicates/0001.json").stat().st_mtime_ns == first


@pytest.fixture
def cluster(tmp_path):
    """Address and process of a scheduler that runs already, on loopback, with two workers of this host.

    They are started as srun starts them, on two nodes.
    """
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    common = ["--no-dashboard", "--scheduler-file", str(file)]
    argvs = [[*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *common]]
    for name in ("one", "two"):
        place = ["--name", name, "--local-directory", str(tmp_path), "--nthreads", "1"]
        argvs.append([*dask, "worker", "--no-nanny", *place, *common])
    environment = {**os.environ, "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0", "OMP_NUM_THREADS": "3"}
    processes = [subprocess.Popen(argv, env=environment, **quiet) for argv in argvs]
    while not file.exists():
        time.sleep(0.1)
    address = json.loads(file.read_text())["address"]
    with Client(address) as client:
        client.wait_for_workers(2)
    yield address, processes[0]
    for process in reversed(processes):
        process.kill()
        process.wait()


def test_two_workers_of_one_host_are_one_host(cluster, tmp_path, programs):
    facts = host(tmp_path, "any").data
    fleet = new_fleet(tmp_path, [])
    described = replace(programs, describe=("-c", f"print(open({facts!r}).read())"))
    source = FleetSource("scheduler", scheduler=cluster[0])
    measure_fleet(fleet, source, fleet.path, lambda *line: None, described)
    states = {one.name: one.state for one in fleet.header.hosts}
    assert set(states) == {"one", "two"}
    assert sorted(states.values()) == [HostState.COMPLETE, HostState.DUPLICATE]


CHECKS_ALONE = """
import os, sys
from bench.errors import BenchError
from bench.measure import environment
try:
    environment.check_alone(os.environ)
    print(f"error: alone, {os.environ['SLURM_PROCID']} and {os.environ['OMP_NUM_THREADS']}")
except BenchError as error:
    print(f"error: {error}")
sys.exit(2)
"""


def test_a_worker_that_a_launcher_started_beside_others_measures_its_host(cluster, tmp_path, programs):
    """On several nodes of Slurm every worker is one of several, and yet the only one on its host."""
    facts = host(tmp_path, "any").data
    fleet = new_fleet(tmp_path, [])
    asked = replace(programs, describe=("-c", f"print(open({facts!r}).read())"), run=("-c", CHECKS_ALONE))
    source = FleetSource("scheduler", scheduler=cluster[0])
    measure_fleet(fleet, source, fleet.path, lambda *line: None, asked)
    reasons = {one.reason for one in fleet.header.hosts if one.state is HostState.NOT_MEASURED}
    assert reasons == {"alone, 0 and 3"}


SLEEPS = "import time; time.sleep(60)"


def test_hosts_of_a_scheduler_that_is_gone_say_so(cluster, tmp_path, programs):
    facts = host(tmp_path, "any").data
    fleet = new_fleet(tmp_path, [])
    asked = replace(programs, describe=("-c", f"print(open({facts!r}).read())"), run=("-c", SLEEPS))

    def tell(name, text):
        if text == "measures":
            cluster[1].kill()

    measure_fleet(fleet, FleetSource("scheduler", scheduler=cluster[0]), fleet.path, tell, asked)
    reasons = {one.reason for one in fleet.header.hosts if one.state is HostState.NOT_MEASURED}
    assert reasons == {"it sent nothing for 4 s: the scheduler is gone"}


def test_monitors_of_another_clusters_worker_are_off_during_a_measurement(tmp_path, monkeypatch):
    """In a worker with Dask's defaults, which the task finds as it left it."""
    running = {}

    def look(worker, when):
        running[when] = {name for name, one in worker.periodic_callbacks.items() if one.is_running()}

    async def measure_in(worker):
        monkeypatch.setattr(on_host, "get_worker", lambda: worker)
        monkeypatch.setattr(on_host, "_measured", lambda *request: time.sleep(0.5) or look(worker, "during") or {})
        look(worker, "before")
        await asyncio.to_thread(on_host.measure, on_host.Request("topic", "host", []))
        await asyncio.sleep(0.5)
        look(worker, "after")

    async def start():
        where = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
        async with Scheduler(**where, port=0) as scheduler, Worker(scheduler.address, **where) as worker:
            await measure_in(worker)

    with dask.config.set({"distributed.worker.profile.enabled": True, "distributed.worker.memory.pause": 0.8}):
        asyncio.run(start())
    assert {"profile", "tick", "monitor", "memory_monitor"} <= running["before"] == running["after"]
    assert running["before"] - running["during"] >= {"profile", "tick", "monitor", "memory_monitor"}
    assert {"heartbeat", "keep-alive"} <= running["during"]


def test_a_fleet_run_is_measured_by_one_process_at_a_time(tmp_path, programs):
    fleet = new_fleet(tmp_path, [])
    before = (fleet.path / "fleet.json").read_text()
    with run_lock.held(fleet.path), pytest.raises(RecordError, match="fleet is being measured by process"):
        measure(fleet, [], programs)
    assert (fleet.path / "fleet.json").read_text() == before
    measure(fleet, [], programs)
    assert fleet.header.finished_at is not None


def test_a_host_is_measured_by_one_fleet_run_at_a_time(tmp_path):
    from bench.errors import BenchError
    from bench.measure.fleet.on_host import host_lock

    lock = str(tmp_path / "lock")
    with host_lock(lock), pytest.raises(BenchError, match="another fleet run measures on this host"), host_lock(lock):
        pass
    with host_lock(lock) as descriptor:
        assert os.fstat(descriptor)


def test_a_host_with_another_dask_is_refused_in_one_sentence():
    settings = json.dumps({"versions": {"dask": "1.0.0", "distributed": distributed.__version__}})
    program = [sys.executable, "-c", BOOTSTRAP]
    done = subprocess.run(program, input=settings + "\n", capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: it has dask 20") and "(the coordinator has 1.0.0)" in done.stderr


def test_a_record_that_cannot_be_written_here_is_one_error_and_no_group(tmp_path, monkeypatch):
    def full(self, *file):
        raise RecordError("cannot write run.json (No space left on device).")

    monkeypatch.setattr(FleetFolder, "keep", full)
    hosts = [host(tmp_path, "healthy")]
    programs = Programs(PRINT, ("-c", WRITES_ONE_FILE), lock=str(tmp_path / "lock"))
    with pytest.raises(RecordError, match="No space left on device"):
        measure(new_fleet(tmp_path, hosts), hosts, programs)


WRITES_ONE_FILE = """
import pathlib, sys, time
run = pathlib.Path(sys.argv[sys.argv.index("--runs-dir") + 1], "run")
run.mkdir()
(run / "run.json").write_text("{}")
time.sleep(60)
"""


def test_the_last_words_of_a_suite_that_ends_at_once_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(on_host, "_is_to_stop", lambda: False)
    monkeypatch.setattr(on_host, "_decoded", lambda line: time.sleep(2) or line.decode())
    program = ["-c", "print('error: no such option.'); raise SystemExit(2)"]
    request = on_host.Request("topic", "host", program, folder=str(tmp_path))
    ended = on_host._measured(request, None, lambda kind, **content: None)
    assert ended == {"exit_code": 2, "reason": "no such option"}


def test_without_ssh_a_host_is_unreachable(monkeypatch):
    monkeypatch.setattr(engine, "SSH", ("/nowhere/ssh",))
    shipped = FleetHost("one", "one.example", "python3", "~/source", ship=True)
    with pytest.raises(engine.Unreachable, match=r"could not be reached by /nowhere/ssh \(No such file"):
        engine.ship(shipped)
