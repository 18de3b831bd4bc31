"""Hosts files: what they say, and what is refused in one sentence."""

import pytest

from bench.errors import BenchError
from bench.measure.fleet.hosts import local_hosts, read_hosts, remote_command

GOOD = """
[[host]]
address = "me@10.0.0.1"
checkout = "~/mlp bench"
labels = { rack = "a" }
price_per_hour = 0.5

[[host]]
address = "node-2"
name = "second"
python = "/opt/venv/bin/python"
data = "/data/mnist"
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "hosts.toml"
        path.write_text(text)
        return path

    return write


def test_a_hosts_file_gives_hosts_with_their_facts(write):
    first, second = read_hosts(write(GOOD))
    assert (first.name, first.address, first.python) == ("10.0.0.1", "me@10.0.0.1", ".venv/bin/python")
    assert (first.labels, first.price_per_hour) == ({"rack": "a"}, 0.5)
    assert (second.name, second.python, second.checkout) == ("second", "/opt/venv/bin/python", None)
    assert second.data == "/data/mnist"
    assert first.is_alone and second.is_alone


def test_the_remote_command_runs_in_the_checkout_and_is_quoted(write):
    first, second = read_hosts(write(GOOD))
    assert remote_command(first, ["-c", "print('a b')"]).startswith("cd ~/'mlp bench' && exec .venv/bin/python -c ")
    assert remote_command(second, ["-m", "x"]) == "exec /opt/venv/bin/python -m x"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "names no host: add a table"),
        ("[[host", "is malformed: "),
        ("[[host]]\ncheckout = 'x'", "missing required field `address`"),
        ("[[host]]\naddress = 'a'\ncheckout = 'x'\nspeed = 3", "unknown field `speed`"),
        ("[[host]]\naddress = 'a'", "names neither python nor checkout of host a"),
        ("[[host]]\naddress = 'a'\npython = 'p'\n" * 2, "has 'a' twice"),
        ("[[host]]\naddress = 'a'\npython = 'p'\n[[host]]\naddress = 'b@a'\npython = 'p'", "has 'a' twice"),
        ("[[host]]\naddress = 'a'\ncheckout = 'c'\nship = true", "sends the suite to host a: name its python"),
        ("[[host]]\naddress = '-oProxyCommand=x'\npython = 'p'", "which ssh cannot take"),
        ("[[host]]\naddress = 'a'\nname = '../x'\npython = 'p'", "has the host name '../x'"),
        ("[[host]]\naddress = 'a'\npython = 'p'\nprice_per_hour = -1.0", "that is not a price"),
    ],
)
def test_a_bad_hosts_file_is_refused_in_one_sentence(write, text, sentence):
    with pytest.raises(BenchError) as refused:
        read_hosts(write(text))
    assert sentence in str(refused.value)


def test_a_hosts_file_that_is_absent_or_binary_is_refused(tmp_path):
    with pytest.raises(BenchError, match="cannot be read"):
        read_hosts(tmp_path / "none.toml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BenchError, match="is malformed"):
        read_hosts(tmp_path / "binary")


@pytest.mark.parametrize("count", [0, -1, 65])
def test_the_number_of_local_processes_is_limited(count):
    with pytest.raises(BenchError, match="give 1 to 64 processes"):
        local_hosts(count)
