"""``python tools/pip_install.py ARGUMENTS``: ``pip install`` restricted to the environment of this Python.

A user's settings may redirect or forbid what pip installs (target, user, prefix, only-binary, require-hashes, ...), in
variables and in configuration files alike.  Only settings of the sources of packages are kept.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig

KEPT = (
    *("index-url", "extra-index-url", "no-index", "find-links", "trusted-host", "keyring-provider"),
    *("proxy", "cert", "client-cert", "use-feature", "use-deprecated", "timeout", "default-timeout", "retries"),
    *("cache-dir", "no-cache-dir", "constraint"),
)
SECTIONS = ("global", "install", ":env:")  # the later one wins (pip's documentation, "Precedence / Override order")


def main(arguments: list[str]) -> int:
    if importlib.util.find_spec("pip") is None:  # uv and others make environments without it
        added = subprocess.run([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
        if added.returncode:
            return added.returncode  # Python has said why
    pip = [sys.executable, "-m", "pip"]
    listed = subprocess.run([*pip, "config", "list"], stdout=subprocess.PIPE, text=True)
    if listed.returncode:
        return listed.returncode  # pip has said why
    variables = environment(dict(os.environ), listed.stdout)
    install = [*pip, "install", "--quiet", "--disable-pip-version-check", "--no-compile", *arguments]
    installed = subprocess.run(install, env=variables)
    if not installed.returncode:
        compile_modules(sysconfig.get_paths()["purelib"])
    return installed.returncode


def compile_modules(folder: str) -> None:
    """Compile the modules in ``folder``, on all cores, but for the tests of packages; pip would use one core.

    A module that does not compile, because it is for another Python, says so when it is imported.
    """
    num_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quiet = [sys.executable, "-W", "ignore", "-m", "compileall", "-qq"]
    tests = f"{re.escape(os.path.join(folder, ''))}.*/tests?/"
    subprocess.run([*quiet, "-j", str(num_cores), "-x", tests, folder])


def environment(variables: dict[str, str], listing: str) -> dict[str, str]:
    """Return ``variables`` with the settings of ``pip config list`` that are kept, and without all others."""
    settings: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listing.splitlines():
        section, _, setting = line.partition(".")
        name, _, value = setting.partition("=")
        if section in SECTIONS and name in KEPT:
            settings[section][name] = ast.literal_eval(value)
    kept = {name: value for name, value in variables.items() if not name.upper().startswith("PIP_")}
    for section in SECTIONS:
        for name, value in settings[section].items():
            kept[f"PIP_{name.upper().replace('-', '_')}"] = value
    return {**kept, "PIP_CONFIG_FILE": os.devnull}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
