"""A git repository whose ``mlp`` is a toy that starts in milliseconds: what real gates, on real processes, compare."""

import subprocess
from pathlib import Path

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


def git(repository, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=repository, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def make(folder: Path) -> Path:
    """A repository with the toy on its branch main."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, FILES)
    return folder


def commit(repository, files):
    """Write ``files`` (path -> text) and commit them; returns the commit's id."""
    change(repository, files)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "change")
    return git(repository, "rev-parse", "HEAD")


def change(repository, files):
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def replaced(name, old, new):
    """``FILES[name]`` with ``old`` replaced, which must be there."""
    assert old in FILES[name]
    return {name: FILES[name].replace(old, new)}


def worktrees(repository):
    return [line for line in git(repository, "worktree", "list", "--porcelain").splitlines() if "worktree " in line]
