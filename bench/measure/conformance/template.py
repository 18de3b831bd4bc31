"""New plugin from the template ``backend-template``, which an installation holds as well."""

from __future__ import annotations

from pathlib import Path

from bench.advice import bench_command
from bench.errors import BenchError
from mlp import registry

TEMPLATE = Path(__file__).with_name("backend-template")
NAME, CLASS = "backend_template", "TemplateBackend"


def write_template(folder: Path, template: Path = TEMPLATE) -> list[str]:
    """Write a plugin called as ``folder``, and return the next commands.

    Raises
    ------
    BenchError
        If the name is none for a backend, or is taken, or the folder exists or cannot be written.
    """
    name = folder.name.lower().replace("-", "_")
    if not registry.NAME.fullmatch(name):
        raise BenchError(f"{folder.name!r} cannot name a backend: use lower case letters, digits and _.")
    if name in registry.names():
        raise BenchError(f"{name} is the name of a backend already: choose another.")
    if not template.is_dir():
        raise BenchError(f"{template} is missing: install mlp-bench again.")
    if folder.exists():
        raise BenchError(f"{folder} exists: name a new folder.")
    try:
        for path in sorted(template.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                target = folder / _renamed(path.relative_to(template).as_posix(), name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(_renamed(path.read_text(encoding="utf-8"), name), encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{folder} cannot be written ({error.strerror}): name another.") from error
    return [
        f"{folder} is a plugin that conforms: its five functions are in {folder / name / 'backend.py'}.",
        f"python -m pip install --editable {folder}",
        bench_command(f"conform {name}"),
    ]


def _renamed(text: str, name: str) -> str:
    class_name = "".join(part.capitalize() for part in name.split("_")) + "Backend"
    text = text.replace(NAME, name).replace(NAME.replace("_", "-"), name.replace("_", "-"))
    return text.replace(CLASS, class_name)
