"""A fleet over SSH, with a real sshd on loopback."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="Dask is not installed: make .venv/installed-fleet adds it")
pytest.importorskip("cryptography", reason="cryptography is not installed: make .venv/installed-fleet adds it")

from test_fleet import DATASET, FACTS, programs  # noqa: F401

from bench.measure.fleet.hosts import FleetHost
from bench.measure.fleet.session import FleetSource, measure_fleet
from bench.records.fleet import FleetFolder, FleetHeader, HostRecord, HostState

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).resolve().parents[4]
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    """Start sshd on a free port, and put first on PATH an ``ssh`` that knows its host and key."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("no sshd is installed: apt install openssh-server")
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = [f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {folder}/host", "PidFile none", "UsePAM no"]
    settings += [f"AuthorizedKeysFile {folder}/user.pub", "StrictModes no", "PasswordAuthentication no"]
    (folder / "sshd_config").write_text("\n".join(settings))
    client = [f"Port {port}", f"IdentityFile {folder}/user", "StrictHostKeyChecking accept-new"]
    client += [f"UserKnownHostsFile {folder}/known", "IdentitiesOnly yes", "Host loop", "HostName 127.0.0.1"]
    (folder / "ssh_config").write_text("\n".join(client))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL)
    program = folder / "bin/ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        yield folder
    process.terminate()
    process.wait()


def test_hosts_are_reached_by_ssh_and_one_that_is_not_does_not_stop_the_others(sshd, tmp_path, programs):  # noqa: F811
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps({**FACTS, "folder": str(tmp_path / "parts")}))
    old = tmp_path / "old-python"
    old.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} -c "import sys; sys.version_info = (3, 8, 1)\n$1"\n')
    old.chmod(0o755)
    common = {"checkout": str(PROJECT), "data": str(facts)}
    hosts = [
        FleetHost("near", "loop", sys.executable, **common),
        FleetHost("shipped", "loop", sys.executable, str(tmp_path / "sent here"), str(facts), ship=True),
        FleetHost("closed", "ssh://127.0.0.1:1", sys.executable, **common),
        FleetHost("old", "loop", str(old), **common),
        FleetHost("no-python", "loop", ".venv/none", **common),
    ]
    records = tuple(HostRecord(one.name) for one in hosts)
    fleet = FleetFolder.create(tmp_path, FleetHeader("fleet", "hosts", (), "1" * 40, "code", DATASET, records))
    measure_fleet(fleet, FleetSource("hosts", tuple(hosts)), None, lambda *line: None, programs)
    found = {one.name: (one.state, one.reason) for one in fleet.header.hosts}
    states = {name: found[name][0] for name in ("near", "shipped")}  # of one machine, the first to answer is measured
    assert sorted(states.values()) == [HostState.COMPLETE, HostState.DUPLICATE]
    assert sum(fleet.host(name).num_replicates for name in states) == 5
    assert (tmp_path / "sent here/bench/measure/fleet/worker.py").is_file()
    closed = "it ended at the start: ssh: connect to host 127.0.0.1 port 1: Connection refused"
    assert found["closed"] == (HostState.NOT_MEASURED, closed)
    too_old = "it ended at the start: its Python is 3.8, and the suite needs 3.11 or newer"
    assert found["old"] == (HostState.NOT_MEASURED, too_old)
    assert "none" in found["no-python"][1] and found["no-python"][0] is HostState.NOT_MEASURED
