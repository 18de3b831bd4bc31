"""Tiny repositories, their clones and worktrees, made by a git that sees nothing of the caller's."""

import subprocess

from bench.measure.git import environment

IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
LOCAL = ("-c", "protocol.file.allow=always", "-c", "uploadpack.allowFilter=true")


def git(directory, *arguments, **variables):
    argv = ["git", *IDENTITY, *LOCAL, *map(str, arguments)]
    settings = environment() | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"} | variables
    done = subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=True, env=settings)
    return done.stdout.strip()


def make(folder, files, branch="main"):
    """A repository with ``files`` (path -> text) on ``branch``."""
    folder.mkdir()
    git(folder, "init", "--quiet", f"--initial-branch={branch}")
    commit(folder, files)
    return folder


def commit(repository, files):
    """Write ``files`` and commit them; returns the commit's id."""
    change(repository, files)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "change")
    return git(repository, "rev-parse", "HEAD")


def change(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def clone(repository, folder, *options):
    git(repository.parent, "clone", "--quiet", *options, f"file://{repository}", folder)
    return folder


def contents(folder):
    """The bytes of every file below ``folder``, by its path."""
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
