"""Shared by the tests of the command line: calling it in this process, and data that costs nothing to identify."""

import asyncio
import signal

import pytest
from click.testing import CliRunner
from html_pages import chromium, write_everything

from bench import cli
from bench.machine import core_distance

# A shell starts what a script runs in its background with these ignored, and a command of ours leaves that as it is.
for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, default)


@pytest.fixture(scope="session", autouse=True)
def nothing_waits():
    """No waiting for the disk, nor for the core of another worker of this test run: the cores are 64 ns apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        patch.setattr(core_distance, "_compiled", lambda: (lambda *pair: [64.0], None))
        yield


@pytest.fixture(scope="session")
def everything(once):
    """The folder of a run of everything with its reports: to be read only."""
    (path,) = once("everything", write_everything).iterdir()
    return path


@pytest.fixture(scope="session")
def browser_process():
    """A headless Chromium, one for all tests of a worker, and Playwright's event loop.

    Playwright leaves its loop running in this thread, where ``asyncio.run`` then refuses to start another: outside the
    tests of a browser it is out of sight.
    """
    with chromium() as found:
        loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        yield found, loop
        asyncio._set_running_loop(loop)


@pytest.fixture(scope="module")
def browser(browser_process):
    """A headless Chromium for the tests of a module."""
    found, loop = browser_process
    asyncio._set_running_loop(loop)
    yield found
    asyncio._set_running_loop(None)


@pytest.fixture
def invoke(monkeypatch):
    def invoke(*arguments):
        monkeypatch.setattr(cli, "console", cli.Console(soft_wrap=True, width=200))
        monkeypatch.setattr(cli, "errors", cli.Console(stderr=True, soft_wrap=True, width=200))
        return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def small_data(monkeypatch, tmp_path):
    """A located dataset that costs nothing to identify."""
    from mlp import dataset

    monkeypatch.setattr(dataset, "locate", lambda directory=None, progress=None: dataset.Source(tmp_path, "directory"))
    monkeypatch.setattr(dataset, "identify", lambda directory: dataset.Identity("custom", {"train-images": "00"}))
    return tmp_path
