"""Plugins of ``examples/``, known to this process and to those that it starts, without being installed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from plugins import write_metadata

from mlp import registry


@pytest.fixture
def example(tmp_path, monkeypatch):
    """``example(folder)``: the folders that must be on the path for the plugin in ``folder``."""

    def example(folder: Path) -> list[Path]:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        metadata = tmp_path / "metadata"
        metadata.mkdir(exist_ok=True)
        write_metadata(metadata, project["name"], project["entry-points"][registry.GROUP])
        for path in (metadata, folder):
            monkeypatch.syspath_prepend(path)
        registry.plugins.cache_clear()
        return [metadata, folder]

    monkeypatch.setattr(registry, "_imported", {})
    yield example
    registry.plugins.cache_clear()
