"""Hosts of a fleet, read from a TOML file."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.errors import BenchError
from bench.measure.code import suite_digest
from bench.measure.process import PROJECT

MOST_LOCAL = 64
SHIPPED = "~/.cache/mlp-bench/source-"  # and the digest of the files that are sent there
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class HostEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Table ``[[host]]`` of a hosts file; ``address`` is what ``ssh`` takes."""

    address: str
    name: str | None = None
    python: str | None = None
    checkout: str | None = None
    data: str | None = None
    labels: dict[str, str] = {}
    price_per_hour: float | None = None
    ship: bool = False


class HostsFile(msgspec.Struct, forbid_unknown_fields=True):
    host: list[HostEntry] = []


@dataclass(frozen=True)
class FleetHost:
    """Host to measure; without an ``address`` it is this machine, and shares it with the other hosts.

    ``worker`` is the address of its worker in a cluster that runs already; with ``ship``, the files of the suite are
    sent to its checkout first.
    """

    name: str
    address: str | None = None
    python: str = sys.executable
    checkout: str | None = str(PROJECT)
    data: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    price_per_hour: float | None = None
    worker: str | None = None
    ship: bool = False

    @property
    def is_alone(self) -> bool:
        """True if the host is a machine of its own."""
        return self.address is not None or self.worker is not None


def local_hosts(count: int) -> list[FleetHost]:
    """Return ``count`` hosts that are processes of this machine; raise BenchError for none or too many."""
    if not 1 <= count <= MOST_LOCAL:
        raise BenchError(f"--local {count}: give 1 to {MOST_LOCAL} processes.")
    return [FleetHost(f"local-{number}") for number in range(1, count + 1)]


def read_hosts(path: Path) -> list[FleetHost]:
    """Read a hosts file; raise BenchError, with the place, if it is empty, malformed or names a host twice."""
    try:
        entries = msgspec.toml.decode(path.read_bytes(), type=HostsFile).host
    except OSError as error:
        raise BenchError(f"the hosts file {path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise BenchError(f"the hosts file {path} is malformed: {error}; docs/fleet.md has an example.") from error
    if not entries:
        raise BenchError(f"the hosts file {path} names no host: add a table [[host]] with an address.")
    hosts = [_host(entry, path) for entry in entries]
    for names in ([host.name for host in hosts], [host.address for host in hosts]):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise BenchError(f"the hosts file {path} has {twice!r} twice: each host is measured once, alone on it.")
    return hosts


def _host(entry: HostEntry, path: Path) -> FleetHost:
    if not re.fullmatch(r"[^-\s][^\s]*", entry.address):
        raise BenchError(f"the hosts file {path} has the address {entry.address!r}, which ssh cannot take.")
    name = entry.name or re.sub(r"[^A-Za-z0-9._-]", "-", entry.address.rpartition("@")[2])
    if not NAME.fullmatch(name):
        raise BenchError(
            f"the hosts file {path} has the host name {name!r}: letters, digits, dots and hyphens name a folder."
        )
    if entry.ship and (entry.python is None or entry.checkout is not None):
        raise BenchError(f"the hosts file {path} sends the suite to host {name}: name its python, and no checkout.")
    if entry.python is None and entry.checkout is None:
        raise BenchError(f"the hosts file {path} names neither python nor checkout of host {name}: give one.")
    if entry.price_per_hour is not None and not 0 <= entry.price_per_hour < float("inf"):
        raise BenchError(f"the hosts file {path} has a price_per_hour of host {name} that is not a price.")
    python = entry.python or ".venv/bin/python"  # in the checkout
    checkout = SHIPPED + suite_digest() if entry.ship else entry.checkout
    more = {"labels": dict(entry.labels), "price_per_hour": entry.price_per_hour, "ship": entry.ship}
    return FleetHost(name, entry.address, python, checkout, entry.data, **more)


def unpack_command(host: FleetHost) -> str:
    """Return the shell command that unpacks an archive from stdin as the host's checkout."""
    folder = _with_home(host.checkout)
    return f"mkdir -p {folder} && cd {folder} && tar -xzf -"


def remote_command(host: FleetHost, program: list[str]) -> str:
    """Return the shell command that runs ``program`` by the host's Python, in its checkout if it has one."""
    words = [_with_home(host.python), *map(shlex.quote, program)]
    folder = f"cd {_with_home(host.checkout)} && " if host.checkout else ""
    return f"{folder}exec {' '.join(words)}"


def _with_home(path: str) -> str:
    """Quote a path for a shell, but for a leading ``~/``."""
    return f"~/{shlex.quote(path[2:])}" if path.startswith("~/") else shlex.quote(path)
