"""Plugins of ``examples/``, known to this process and to those that it starts, without being installed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from plugins import write_metadata

from mlp import registry


@pytest.fixture
def example(tmp_path, monkeypatch, plugin_folders):
    """``example(folder)``: the folders that must be on the path for the plugin in ``folder``."""

    def example(folder: Path) -> list[Path]:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        metadata = tmp_path / "metadata"
        metadata.mkdir(exist_ok=True)
        entry_points = project["entry-points"][registry.GROUP]
        write_metadata(metadata, project["name"], entry_points, project["version"])  # equal to an installed one
        for path in (metadata, folder):
            monkeypatch.syspath_prepend(path)
        plugin_folders.append(str(metadata))
        registry.plugins.cache_clear()
        return [metadata, folder]

    monkeypatch.setattr(registry, "_imported", {})
    return example
