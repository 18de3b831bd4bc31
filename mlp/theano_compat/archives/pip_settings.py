"""Environment for pip, in which it installs into the environment of this Python and nowhere else.

A user's settings may redirect or forbid what pip installs (target, user, prefix, only-binary, require-hashes, ...), in
variables and in configuration files alike.  Only settings of the sources of packages are kept.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys

INDEX_ADDRESS = "-url"  # what pip's options for the address of an index end in
KEPT = (
    *("no-index", "find-links", "trusted-host", "keyring-provider"),
    *("proxy", "cert", "client-cert", "use-feature", "use-deprecated", "timeout", "default-timeout", "retries"),
    *("cache-dir", "no-cache-dir", "constraint"),
)
COMPLETE = {"PIP_QUIET": "0", "PIP_ISOLATED": "0"}  # else a listing may be empty, or without the variables
SECTIONS = ("global", "install", ":env:")  # the later one wins (pip's documentation, "Precedence / Override order")


def pip_environment() -> dict[str, str]:
    """Return the variables in which to run pip, which is added to this Python's environment if it is missing.

    Raises subprocess.CalledProcessError, after Python or pip has said why, if it cannot be added or asked.
    """
    # pip itself causes warnings, which must not become errors
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    if importlib.util.find_spec("pip") is None:  # uv and others make environments without it
        subprocess.run([sys.executable, "-m", "ensurepip"], env=variables, stdout=subprocess.DEVNULL, check=True)
    listing = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(listing, env=variables | COMPLETE, stdout=subprocess.PIPE, text=True, check=True)
    return with_sources(variables, listed.stdout)


def with_sources(variables: dict[str, str], listing: str) -> dict[str, str]:
    """Return ``variables`` with the settings of ``pip config list`` that are kept, and without all others."""
    settings = [line.partition(".")[::2] for line in listing.splitlines()]
    kept = {name: value for name, value in variables.items() if not name.upper().startswith("PIP_")}
    for section in SECTIONS:
        for name, _, value in (setting.partition("=") for its, setting in settings if its == section):
            if name in KEPT or name.endswith(INDEX_ADDRESS):
                kept[f"PIP_{name.upper().replace('-', '_')}"] = ast.literal_eval(value)
    return {**kept, "PIP_CONFIG_FILE": os.devnull}
