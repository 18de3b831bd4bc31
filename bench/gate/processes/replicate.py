"""Program of one process replicate of the gate; it measures on command and waits in between.

It comes from the gate's own checkout on both sides, and so imports only Python's library and the stable interface of
the side's ``mlp``: dataset, recipe, backends and their contract.  It is started as

    python -P replicate.py '{"directory": ..., "backend": ..., ...}'

and exchanges JSON lines: a command ``{"do": "train", ...}`` on stdin, its reply on stdout.  Output of libraries goes to
stderr.  The process ends when stdin does, e.g. because the gate has ended.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

PACKAGES = ("numpy", "scipy", "theano", "pytensor", "jax", "torch")  # of revisions older than mlp.registry
WARM_UP_STEPS = 2  # untimed, at each new batch size: buffers are reallocated when the shape changes
PR_SET_PDEATHSIG = 1  # of prctl(2)


class MeasuringSide:
    """Commands of a replicate: ``prepare``, ``load``, ``compile``, then turns.  The result of a method is the reply.

    ``slowdown`` (a fraction) and ``held_bytes`` of the configuration are injected by the calibration: a wait inside the
    timed path of every training step, and memory that is filled and never used.
    """

    def __init__(self, configuration: dict[str, Any], clock: Callable[[], float] = time.perf_counter) -> None:
        self._configuration = configuration
        self._clock = clock
        self._position = 0
        self._losses: list[float] = []
        self._batches: dict[int, Any] = {}

    def prepare(self) -> dict[str, Any]:
        """Import the side's packages; untimed, so that several processes may do it concurrently."""
        self._held = b"\1" * self._configuration["held_bytes"]
        mlp = importlib.import_module("mlp")
        backends = importlib.import_module("mlp.backends")
        recipe = importlib.import_module("mlp.recipe").CANONICAL
        device = self._configuration["device"]
        self._recipe = replace(recipe, seed=self._configuration["seed"])
        self._backend = backends.create(self._configuration["backend"], self._configuration["variant"], device)
        self._backend.import_framework(device)
        return {"mlp": str(Path(mlp.__file__).resolve().parent.parent)}

    def identify(self) -> dict[str, Any]:
        """Return dataset and recipe, which must agree between the sides, and versions, which may differ."""
        dataset = importlib.import_module("mlp.dataset")
        directory = self._directory
        identity = dataset.identify(directory)
        recipe = {name: value for name, value in asdict(self._recipe).items() if name != "seed"}
        return {
            "directory": str(directory),
            "data_digest": _digest(directory),
            "dataset": {"identity": identity.name, "sha256": identity.sha256},
            "recipe": recipe,
            "packages": self._packages(),
        }

    def _packages(self) -> dict[str, str | None]:
        """Return the versions of the frameworks, of a plugin, and of the packages that its speed depends on."""
        try:
            registry = importlib.import_module("mlp.registry")
        except ImportError:
            return {name: _version(name) for name in PACKAGES}
        plugins = registry.imported_plugins()
        names = [*registry.built_in_packages(), *(name for _, entry in plugins for name in entry.packages)]
        return {name: _version(name) for name in names} | {one.distribution: one.version for one, _ in plugins}

    def load(self) -> dict[str, Any]:
        """Read, decompress and convert MNIST; earlier data is freed first."""
        load_files = importlib.import_module("mlp.dataset").load_files
        directory = self._directory  # may look for the files, or verify them: outside the clock
        self._data = None
        seconds, self._data = self._timed(lambda: load_files(directory))
        return {"seconds": seconds}

    def check_data(self) -> dict[str, Any]:
        """Raise RuntimeError if the data files have changed since ``identify`` at the start of the gate."""
        if _digest(self._directory) != self._configuration["data_digest"]:
            raise RuntimeError(f"{self._directory} holds other data than when the gate began")
        return {}

    def compile(self) -> dict[str, Any]:
        """Build the network, place the data of a resident variant, compile; as the reference clock defines them."""
        initial_parameters = importlib.import_module("mlp.training").initial_parameters

        def from_graph_to_functions() -> None:
            self._backend.build(self._recipe, initial_parameters(self._recipe), self._configuration["device"])
            self._backend.place_all(self._data)
            self._backend.compile()
            self._backend.synchronize()

        seconds, _ = self._timed(from_graph_to_functions)
        self._random = importlib.import_module("mlp.seeding").random_stream(self._recipe, "order")
        return {"seconds": seconds, "tuning": _tuning()}

    def train(self, num_steps: int) -> dict[str, Any]:
        """Train the next ``num_steps`` steps of the epoch; ``loss`` is the mean over the epoch, in its last reply.

        The part is a call of ``train_epoch`` on that many examples in random order: selected by the order for a variant
        that keeps its data on the device, and by slicing for the others.
        """
        images, labels = self._data[:2]
        num_examples = num_steps * self._recipe.batch_size
        start, end = self._position, self._position + num_examples
        order = self._random.permutation(num_examples)
        if self._backend.variant.resident:
            part = (images, labels, order + start)
        else:
            part = (images[start:end], labels[start:end], order)

        def part_of_an_epoch() -> float:
            loss = self._backend.train_epoch(*part)
            self._backend.synchronize()
            return loss

        before = scheduler_counters()
        seconds, loss = self._timed(part_of_an_epoch, self._configuration["slowdown"])
        scheduler = gained(before, scheduler_counters())
        self._losses.append(loss)
        self._position = end
        if end + num_examples <= len(images):
            return {"seconds": seconds, "loss": None, "scheduler": scheduler}
        mean_loss = sum(self._losses) / len(self._losses)
        self._position, self._losses = 0, []
        return {"seconds": seconds, "loss": mean_loss, "scheduler": scheduler}

    def validate(self) -> dict[str, Any]:
        """Time a validation epoch; ``loss`` and ``accuracy`` (a fraction) are those of the current network."""
        images, labels = self._data[2:4]

        def validation_epoch() -> tuple[float, float]:
            results = self._backend.evaluate(images, labels)
            self._backend.synchronize()
            return results

        seconds, (loss, accuracy) = self._timed(validation_epoch)
        return {"seconds": seconds, "loss": loss, "accuracy": accuracy}

    def steps(self, batch_size: int, num_steps: int) -> dict[str, Any]:
        """Time single, synchronised training steps of one minibatch of ``batch_size``; ``seconds`` is per step."""
        if batch_size not in self._batches:
            self._batches[batch_size] = [array[:batch_size] for array in self._data[:2]]
            self._step(batch_size, WARM_UP_STEPS)
        seconds, _ = self._timed(lambda: self._step(batch_size, num_steps), self._configuration["slowdown"])
        return {"seconds": seconds / num_steps}

    def memory(self) -> dict[str, Any]:
        """Return the peak resident memory of this process so far."""
        return {"peak_bytes": peak_resident_bytes()}

    @cached_property
    def _directory(self) -> Path:
        return importlib.import_module("mlp.dataset").locate(self._configuration["data"]).directory

    def _step(self, batch_size: int, num_steps: int) -> None:
        images, labels = self._batches[batch_size]
        for _ in range(num_steps):
            self._backend.train_step(images, labels)
            self._backend.synchronize()

    def _timed(self, work: Callable[[], Any], slowdown: float = 0.0) -> tuple[float, Any]:
        """Return the seconds and the result of ``work``; a ``slowdown`` of 0.1 prolongs it by a factor of 1.1."""
        start = self._clock()
        result = work()
        if slowdown:
            end = start + (self._clock() - start) * (1 + slowdown)
            while self._clock() < end:
                pass
        return self._clock() - start, result


def _tuning() -> dict[str, Any] | None:
    """Return the tuning parameters of theano/tuned; None of another stack, or a revision without them."""
    module = sys.modules.get("mlp.backends.theano.tuned.tuning")
    return None if module is None else module.facts_in_use()


def _digest(directory: str | Path) -> str:
    """Return the SHA-256 of the data files on disk."""
    digest = hashlib.sha256()
    for path in sorted(Path(directory).glob("*ubyte*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def peak_resident_bytes(status: Path = Path("/proc/self/status")) -> int | None:
    """Return the peak resident memory of this program alone, in bytes.

    On Linux, getrusage's ``ru_maxrss`` (the fallback elsewhere) includes the memory of the parent process.
    """
    for line in _or_none(lambda: status.read_text().splitlines()) or ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    used = _or_none(_own_usage)
    if used is None:  # Windows
        return None
    return used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024


def scheduler_counters(proc: Path = Path("/proc")) -> dict[str, Any]:
    """Return the kernel's counters of this process and of the machine so far; None for one that it does not keep.

    ``waits`` are the seconds in which each thread was ready and did not run (schedstat), ``cpu_seconds`` those in which
    the process ran, ``steal_seconds`` those that the host took from all cores, and ``pressure_seconds`` those in which
    any process of the machine waited for a core (PSI).
    """
    waits: dict[str, float] = {}
    for thread in _or_none(lambda: os.listdir(proc / "self/task")) or ():
        run_delay_ns = _or_none(
            lambda thread=thread: int((proc / "self/task" / thread / "schedstat").read_text().split()[1])
        )
        if run_delay_ns is not None:  # else the thread has ended, or the kernel does not count
            waits[thread] = run_delay_ns / 1e9
    pressure = _or_none(lambda: (proc / "pressure/cpu").read_text().split("total=", 1)[1].split()[0])
    steal = _or_none(lambda: (proc / "stat").read_text().split("\n", 1)[0].split()[8])
    used = _or_none(_own_usage)
    return {
        "waits": waits,
        "involuntary_switches": None if used is None else used.ru_nivcsw,
        "cpu_seconds": None if used is None else used.ru_utime + used.ru_stime,
        "steal_seconds": None if steal is None else int(steal) / os.sysconf("SC_CLK_TCK"),
        "pressure_seconds": None if pressure is None else int(pressure) / 1e6,
    }


def gained(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the gains of the counters: waits as the sum over the threads, and that of the one that waited longest."""
    waits = [seconds - before["waits"].get(thread, 0.0) for thread, seconds in after["waits"].items()]
    known = {name: value for name, value in after.items() if name != "waits"}
    return {
        "wait_seconds": sum(waits) if waits else None,
        "longest_wait_seconds": max(waits, default=None),
        **{name: None if None in (value, before[name]) else value - before[name] for name, value in known.items()},
    }


def _own_usage() -> Any:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF)


def _or_none(read: Callable[[], Any]) -> Any:
    """Return the result of ``read``; None if this system has nothing to read."""
    try:
        return read()
    except (OSError, ImportError, ValueError, IndexError):
        return None


def serve(replicate: Any, commands: IO[str], replies: IO[str]) -> None:
    """Reply to each line of ``commands``; a failed command is answered with its reason and ends the loop."""
    for line in commands:
        command = json.loads(line)
        name = command.pop("do")
        try:
            reply = {"ok": True, **getattr(replicate, name)(**command)}
        except Exception as error:  # any error of the side's code is a reply, which the gate prints as one sentence
            reply = {"ok": False, "reason": _sentence(error)}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
        if not reply["ok"]:
            return


def _sentence(error: Exception) -> str:
    """Return the first line of the error, with its class unless it is a user-facing error of ``mlp``."""
    text = (str(error).strip() or _place(error)).splitlines()[0].rstrip(".")
    written_for_people = any(base.__name__ == "MlpError" for base in type(error).__mro__)
    return text if written_for_people else f"{type(error).__name__}: {text}"


def _place(error: Exception) -> str:
    import traceback

    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"at {'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno} ({frame.line})"


def _version(package: str) -> str | None:
    """Return the version of the imported module, else of the installed package."""
    imported = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(imported, str):
        return imported
    from importlib import metadata  # half of the time to start; only the first process of a side needs it

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _end_with_the_parent() -> None:
    """Ask Linux to end this process when the gate dies, even while it is stopped between two turns."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _private_stdout() -> IO[str]:
    """Return stdout for replies only; redirect all other output to stderr."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return replies


if __name__ == "__main__":
    _end_with_the_parent()
    configuration = json.loads(sys.argv[1])
    serve(MeasuringSide(configuration), sys.stdin, _private_stdout())
