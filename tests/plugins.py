"""Tiny plugins: a module, and the metadata that an installer would leave beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
# The oracle under another name, of which a test replaces what it needs.
ORACLE = """
import numpy as np

from mlp.backends import Variant
from mlp.backends.numpy import NumpyBackend
from mlp.registry import BackendEntry

class Fake(NumpyBackend):
    name = "{name}"
    variants = (Variant("float64", "", precision="float64", devices=("cpu",)),)
{more}
ENTRY = BackendEntry("{name}", "{module}:Fake", ("numpy",), install="pip install {name}")
"""


def write_plugin(
    folder: Path, name: str = "fake", more: str = "", *, source: str | None = None, distribution: str | None = None
) -> Path:
    """Write a distribution whose backend ``name`` is the oracle with ``more`` in its class, or ``source``."""
    distribution = distribution or f"{name}-plugin"
    module = distribution.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    indented = "".join(f"    {line}\n" for line in more.strip().splitlines())
    text = source or ORACLE.format(name=name, module=module, more=indented)
    (folder / f"{module}.py").write_text(text)
    write_metadata(folder, distribution, {name: f"{module}:ENTRY"})
    return folder


def write_metadata(folder: Path, distribution: str, entry_points: Mapping[str, str], version: str = "1.0") -> None:
    """Write what an installer leaves of a distribution."""
    metadata = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    lines = (f"{name} = {value}\n" for name, value in entry_points.items())
    (metadata / "entry_points.txt").write_text(f"[mlp_bench.backends]\n{''.join(lines)}")
