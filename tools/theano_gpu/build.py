"""``python -m tools.theano_gpu.build``: make the environment for Theano on a GPU, atomically.

Theano needs pygpu and libgpuarray, which are no longer built for current Pythons.  Debian 12 ships them for Python 3.11
and NumPy 1; its packages are unpacked into a virtual environment, which needs no administrator.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
from pathlib import Path

from bench.errors import BenchError
from bench.measure.scratch import scratch_folder
from bench.measure.signals import ends_on_signals
from mlp.backends import Available, probe
from mlp.backends.theano.gpu import BUILD, ENVIRONMENT
from tools.theano_gpu import cuda
from tools.theano_gpu.commands import PIP_INSTALL, BuildError, run

PACKAGES = ("python3-pygpu", "libgpuarray3", "libgpuarray-dev")  # the last one: headers for what Theano compiles
PINS = Path(__file__).resolve().parents[2] / "requirements" / "theano-gpu.txt"
GET_PACKAGES = (
    f"get Debian 12's package files {', '.join(PACKAGES)} (0.7.6, amd64) and name their folder: {BUILD} DEBS=<folder>."
)
GET_PYTHON = (
    "install Python 3.11 with its headers (Debian 12: apt install python3.11-dev python3.11-venv), or name one: "
    f"{BUILD} PYTHON311=<path>."
)
ASK_PYTHON = """
import importlib.util, json, os, sys, sysconfig
has_pip = importlib.util.find_spec("ensurepip") is not None
has_header = os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))
print(json.dumps([sys.version_info[:2], has_pip, has_header]))
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools.theano_gpu.build", description="make Theano's GPU environment")
    parser.add_argument("--python", help="a Python 3.11 (default: the one on PATH)")
    parser.add_argument("--debs", type=Path, help="a folder with the Debian packages (default: apt-get downloads them)")
    options = parser.parse_args(arguments)
    try:
        with ends_on_signals():
            build(ENVIRONMENT, options.python, options.debs)
    except (BuildError, BenchError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: what was begun is removed", file=sys.stderr)
        return 130
    answer = probe("theano", device="cuda")
    ready = answer.detail if isinstance(answer, Available) else f"not yet, {answer.reason}. {answer.remedy}"
    print(f"theano on cuda: {ready}")
    return 0


def build(environment: Path, named_python: str | None = None, debs: Path | None = None) -> None:
    """Make ``environment``, or complete it with CUDA; a partial environment is removed on failure.

    Raises
    ------
    BuildError
        If a requirement is missing.
    """
    python = environment / "bin" / "python"
    begun = not is_complete(environment)
    try:
        if begun:
            check_platform()
            base_python = find_python(named_python)
            with scratch_folder() as scratch:
                unpacked = unpack(debs or download(scratch), scratch / "unpacked")
                print(f"creating {environment.name} with NumPy 1.26 and pygpu (a minute or two)", flush=True)
                create(environment, base_python)
                install_pygpu(unpacked, environment)
        print(cuda.add(python), flush=True)
    except BaseException:
        if begun:
            shutil.rmtree(environment, ignore_errors=True)
        raise
    _mark(environment).write_text(PINS.read_text())


def is_complete(environment: Path) -> bool:
    """Return True if a build with the current pins was completed."""
    return _mark(environment).exists() and _mark(environment).read_text() == PINS.read_text()


def _mark(environment: Path) -> Path:
    return environment / "installed"


def check_platform() -> None:
    """Raise BuildError unless this is Linux on x86-64, the only tested platform of Debian's pygpu."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise BuildError(
            f"Theano's GPU environment is made of Debian's binaries for Linux on x86-64, and this is {sys.platform} on "
            f"{platform.machine()}: use another backend for this machine's GPU."
        )
    if shutil.which("dpkg-deb") is None:
        raise BuildError(
            "dpkg-deb, which unpacks Debian's pygpu, was not found on PATH: install dpkg, or use Debian or Ubuntu."
        )


def find_python(named: str | None) -> Path:
    """Return a Python 3.11 that can make environments and has the headers for Theano's C++ code."""
    shortcoming = "no Python 3.11 was found, and Debian's pygpu is built for no other"
    for candidate in [named] if named else ["python3.11", "python3", sys.executable]:
        try:
            version, has_pip, has_header = json.loads(run([candidate, "-c", ASK_PYTHON], ""))
        except BuildError:
            continue  # missing, or a launcher without an interpreter
        if version != [3, 11]:
            if named:
                shortcoming = f"{named} is Python {version[0]}.{version[1]}, and Debian's pygpu is built for 3.11 only"
            continue
        if has_pip and has_header:
            return Path(shutil.which(candidate) or candidate)
        shortcoming = f"{candidate} has no {'ensurepip' if not has_pip else 'header Python.h'}"
    raise BuildError(f"{shortcoming}: {GET_PYTHON}")


def download(folder: Path) -> Path:
    """Download the packages of this system's release by apt, without installing them."""
    if shutil.which("apt-get") is None:
        raise BuildError(f"apt-get, which downloads Debian's pygpu, was not found on PATH: {GET_PACKAGES}")
    run(["apt-get", "download", *PACKAGES], f"run apt-get update, or {GET_PACKAGES}", cwd=folder)
    return folder


def unpack(debs: Path, target: Path) -> Path:
    """Unpack the packages in ``debs`` into ``target`` and make sure that they are for Python 3.11."""
    for package in PACKAGES:
        files = sorted(debs.glob(f"{package}_*.deb"))
        if not files:
            raise BuildError(f"{debs} holds no file {package}_*.deb: {GET_PACKAGES}")
        run(["dpkg-deb", "--extract", files[-1], target], GET_PACKAGES)
    if not list(target.rglob("pygpu/gpuarray.cpython-311-x86_64-linux-gnu.so")):
        raise BuildError(f"this python3-pygpu is not built for Python 3.11 on x86-64: {GET_PACKAGES}")
    return target


def create(environment: Path, base_python: Path) -> None:
    """Create a virtual environment with the pinned packages."""
    shutil.rmtree(environment, ignore_errors=True)
    run([base_python, "-m", "venv", environment], GET_PYTHON)
    pip = [environment / "bin" / "python", PIP_INSTALL]
    tools = [line for line in PINS.read_text().splitlines() if line.startswith(("setuptools==", "wheel=="))]
    remedy = "connect to a package index with the packages of requirements/theano-gpu.txt."
    run([*pip, *tools], remedy)
    run([*pip, "--no-build-isolation", "--requirement", PINS], remedy)


def install_pygpu(unpacked: Path, environment: Path) -> None:
    """Copy pygpu, and libgpuarray with its headers, to where Python, the loader and Theano's compiler look."""
    (site_packages,) = environment.glob("lib/python3.11/site-packages")
    for source in (unpacked / "usr/lib/python3/dist-packages").glob("pygpu*"):
        shutil.copytree(source, site_packages / source.name)
    shutil.copytree(unpacked / "usr/include/gpuarray", environment / "include" / "gpuarray")
    for library in (unpacked / "usr/lib").rglob("libgpuarray.so*"):
        shutil.copy2(library, environment / "lib" / library.name, follow_symlinks=False)
    run(
        ["env", f"LD_LIBRARY_PATH={environment / 'lib'}", environment / "bin" / "python", "-c", "import pygpu"],
        f"this system cannot load Debian 12's pygpu; {GET_PACKAGES}",
    )


if __name__ == "__main__":
    sys.exit(main())
