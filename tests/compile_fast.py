"""``python tests/compile_fast.py``: a small canonical network, compiled fast, and ten steps of it, told as JSON.

A process of its own, because a compile cache is read and a damaged module is met only once in a process.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlp.backends.theano import TheanoBackend
from mlp.recipe import CANONICAL
from mlp.training import initial_parameters

RECIPE = replace(CANONICAL, layer_widths=(784, 32, 16, 10), batch_size=20)


class FastTheanoBackend(TheanoBackend):
    fast_variants = frozenset({"as_published"})


def ten_steps(backend: TheanoBackend) -> dict:
    """The losses of ten training steps with dropout, and the evaluation after them, exactly (as hexadecimal)."""
    backend.build(RECIPE, initial_parameters(RECIPE))
    backend.compile()
    random = np.random.RandomState(7)
    images = random.uniform(size=(20, 1, 28, 28)).astype(np.float32)
    labels = random.randint(0, 10, 20).astype(np.uint8)
    losses = [backend.train_step(images, labels).hex() for _ in range(10)]
    return {"losses": losses, "evaluation": [float(value).hex() for value in backend.evaluate(images, labels)]}


def flags_for(cache: Path) -> str:
    """THEANO_FLAGS of this process with ``cache`` as the compile directory."""
    flags = [flag for flag in os.environ["THEANO_FLAGS"].split(",") if "compiledir" not in flag]
    return ",".join([*flags, f"base_compiledir={cache}"])


def copy_modules(cache: Path, directory: Path) -> None:
    """Copy complete modules of a cache into another, which may be in use: there each appears as a whole."""
    for module in cache.glob("compiledir_*/*/"):
        if not ((module / "key.pkl").exists() or module.name.endswith("_ext")):
            continue
        target = directory / module.relative_to(cache)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory) as scratch, suppress(OSError):  # it may be there already
            shutil.copytree(module, Path(scratch) / module.name).rename(target)


def start(cache: Path) -> subprocess.Popen[str]:
    """Start the program, with ``cache`` as Theano's compile directory."""
    variables = {**os.environ, "THEANO_FLAGS": flags_for(cache)}
    variables["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)
    argv = [sys.executable, __file__]
    return subprocess.Popen(argv, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict:
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1])


def main() -> None:
    FastTheanoBackend.import_framework()
    from theano.gof.cmodule import GCC_compiler

    compiled, compile_str = [], GCC_compiler.compile_str

    def counting(*args, **kwargs):
        compiled.append(args[0] if args else kwargs["module_name"])
        return compile_str(*args, **kwargs)

    GCC_compiler.compile_str = staticmethod(counting)
    print(json.dumps({**ten_steps(FastTheanoBackend()), "compiled": compiled}))


if __name__ == "__main__":
    main()
