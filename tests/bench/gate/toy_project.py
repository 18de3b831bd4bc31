"""A git repository whose ``mlp`` is a toy that starts in milliseconds: what real gates, on real processes, compare."""

import tempfile
from functools import cache
from pathlib import Path

import repositories
from repositories import change, commit

__all__ = ["FILES", "change", "commit", "make", "replaced"]

FILES = {
    "mlp/__init__.py": "",
    "mlp/recipe.py": """
from dataclasses import dataclass

@dataclass(frozen=True)
class Recipe:
    batch_size: int = 5000
    learning_rate: float = 0.001
    seed: int = 1

CANONICAL = Recipe()
""",
    "mlp/backends/__init__.py": """
import time
from types import SimpleNamespace

STEP_SECONDS = 0.002

class Backend:
    variant = SimpleNamespace(resident=False)

    def import_framework(self, device): pass
    def build(self, recipe, parameters, device): self.recipe = recipe
    def place_all(self, data): pass
    def compile(self): time.sleep(0.001)
    def synchronize(self): pass
    def train_epoch(self, images, labels, order):
        time.sleep(STEP_SECONDS)
        return 0.5
    def train_step(self, images, labels): time.sleep(STEP_SECONDS / 10)
    def evaluate(self, images, labels): return 0.5, 0.9

def create(name, variant, device):
    return Backend()
""",
    "mlp/dataset.py": """
from pathlib import Path
from types import SimpleNamespace

def locate(directory):
    if directory is None:
        with open(Path(__file__).with_name("looked"), "a") as file:
            file.write("x")
    return SimpleNamespace(directory=directory or "found")

def identify(directory): return SimpleNamespace(name="mnist", sha256={"train-images": "0123456789abcdef"})
def load_files(directory): return [range(50_000)] * 6 if directory == "found" else None
""",
    "mlp/training.py": "def initial_parameters(recipe): return []\n",
    "mlp/seeding.py": """
class Stream:
    def permutation(self, count): return range(count)

def random_stream(recipe, purpose): return Stream()
""",
    "pyproject.toml": '[tool.bench.gate]\nmetrics = ["train_epoch", "peak_memory"]\n',
}


def make(folder: Path) -> Path:
    """A repository with the toy on its branch main: a copy, because git takes a tenth of a second to make one."""
    for path, content in _contents().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@cache
def _contents():
    with tempfile.TemporaryDirectory() as scratch:
        return repositories.contents(repositories.make(Path(scratch) / "project", FILES))


def replaced(name, old, new):
    """``FILES[name]`` with ``old`` replaced, which must be there."""
    assert old in FILES[name]
    return {name: FILES[name].replace(old, new)}
