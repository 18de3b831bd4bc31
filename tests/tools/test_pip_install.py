"""Settings of pip that redirect or forbid what is installed stay outside; those that say where from come along."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlp.theano_compat.archives.pip_settings import pip_environment, with_sources
from tools import pip_install

PROGRAM = Path(pip_install.__file__)


def line(section, variable, value):
    """Return a setting as ``pip config list`` prints it; pip calls its variable PIP_ and the option in capitals."""
    return f"{section}.{variable.lower().removeprefix('pip_').replace('_', '-')}={value!r}"


LISTING = "\n".join(
    [
        line(":env:", "PIP_FIND_LINKS", "/wheels"),
        line(":env:", "PIP_TARGET", "/elsewhere"),
        line("global", "PIP_CERT", "/etc/certificates.crt"),
        line("global", "PIP_EXTRA_INDEX_URL", "\nfile:///a\nfile:///b"),
        line("global", "PIP_INDEX_URL", "file:///slow"),
        line("install", "PIP_INDEX_URL", "file:///fast"),
        line("install", "PIP_ONLY_BINARY", ":all:"),
        line("install", "PIP_USER", "true"),
        line("wheel", "PIP_INDEX_URL", "file:///other"),
    ]
)


def test_sources_are_kept_and_the_more_special_setting_wins():
    kept = with_sources({"PATH": "/bin", "PIP_TARGET": "/x", "pip_user": "1"}, LISTING)
    assert kept == {
        "PATH": "/bin",
        "PIP_CERT": "/etc/certificates.crt",
        "PIP_EXTRA_INDEX_URL": "\nfile:///a\nfile:///b",
        "PIP_FIND_LINKS": "/wheels",
        "PIP_INDEX_URL": "file:///fast",
        "PIP_CONFIG_FILE": os.devnull,
    }


def test_sources_are_found_by_a_pip_that_is_quiet_or_isolated_or_warns(monkeypatch):
    variables = {"PIP_QUIET": "3", "PIP_ISOLATED": "1", "PYTHONWARNINGS": "error", "PIP_INDEX_URL": "file:///wheels"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)  # pip's replaces the distutils of this process
    found = pip_environment()
    assert found["PIP_INDEX_URL"] == "file:///wheels"
    assert not found.keys() & {"PIP_QUIET", "PIP_ISOLATED", "PYTHONWARNINGS"}


@pytest.mark.slow
def test_pip_itself_takes_the_sources_and_nothing_else(tmp_path):
    """A dry run says where it would look; with any setting below alone, pip would refuse or go elsewhere."""
    settings = tmp_path / "pip.conf"
    settings.write_text(
        f"[global]\nno-index = true\nfind-links = {tmp_path}\n[install]\nrequire-hashes = true\nonly-binary = :all:\n"
    )
    names = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIREMENT", "PIP_REPORT")
    forbidding = {name: str(tmp_path / "elsewhere") for name in names}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    variables = {**kept, **forbidding, "PIP_CONFIG_FILE": str(settings), "PIP_USER": "1", "PIP_NO_DEPS": "maybe"}
    argv = [sys.executable, PROGRAM, "--dry-run", "a-package-that-is-not-there"]
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=120)
    assert "No matching distribution found for a-package-that-is-not-there" in done.stderr
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_modules_are_compiled_but_for_tests_of_packages_and_without_a_word(tmp_path, capfd):
    folder = tmp_path / "tests" / "site-packages"
    (folder / "package" / "tests").mkdir(parents=True)
    for name in ("package/module.py", "package/tests/test_module.py"):
        (folder / name).write_text("x = '\\d'  # a warning of newer Pythons\n")
    (folder / "package" / "python_2.py").write_text("print 'no Python 3'\n")
    pip_install.compile_modules(str(folder))
    assert [path.name.partition(".")[0] for path in folder.rglob("*.pyc")] == ["module"]
    assert capfd.readouterr() == ("", "")
