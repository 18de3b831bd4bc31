"""A network is waited for only as long as was said, and MLP_BENCH_OFFLINE is understood as people write it."""

import socketserver
import threading
import time

import pytest

from mlp import download
from mlp.errors import DatasetError


@pytest.fixture
def serve():
    """Starts a server on this machine that answers each request by ``answer(socket)``; returns its URL."""
    servers = []

    def start(answer):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.recv(65536)
                try:
                    answer(self.request)
                except OSError:
                    pass  # the other side has left

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/file.gz"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def whole(socket):
    socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")


def trickling(socket):
    socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        socket.sendall(b"x")
        time.sleep(0.01)


def trickling_headers(socket):
    while True:
        socket.sendall(b"X: y\r\n")
        time.sleep(0.01)


def swallowing(socket):
    socket.recv(1)


def test_a_file_is_fetched(serve, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("no_proxy", "*")
    url = serve(whole)
    assert download.download(url, tmp_path, progress=False, limit_seconds=60)
    assert (tmp_path / "file.gz").read_bytes() == b"abc"
    assert f"downloading {url}, for 60 s at most (MLP_BENCH_OFFLINE=1 goes without)" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [trickling, trickling_headers, swallowing])
def test_a_server_that_would_be_waited_for_without_end_is_left(serve, tmp_path, monkeypatch, answer):
    monkeypatch.setenv("no_proxy", "*")
    assert not download.download(serve(answer), tmp_path, progress=False, limit_seconds=0.2)


def test_a_network_that_fails_is_no_error(tmp_path):
    def broken(*_):
        raise RuntimeError("whatever a library raises")

    assert not download.ends_well(broken, 60)


@pytest.mark.parametrize(("value", "offline"), [("", False), ("0", False), ("No", False), ("off", False), ("1", True)])
def test_offline_is_said_in_the_usual_words(monkeypatch, value, offline):
    monkeypatch.setenv("MLP_BENCH_OFFLINE", value)
    assert download.is_offline() is offline


def test_another_word_for_offline_is_refused(monkeypatch):
    monkeypatch.setenv("MLP_BENCH_OFFLINE", "perhaps")
    with pytest.raises(DatasetError, match="MLP_BENCH_OFFLINE is 'perhaps': write 1 to download nothing, or 0"):
        download.is_offline()
