"""The fingerprint: complete, JSON-ready, free of names and paths, and None where nothing is known."""

import getpass
import json
import socket
import sys

import pynvml
import pytest
from fake_nvml import H200, FakeNvml
from fakes import write

from bench.machine import fingerprint


@pytest.fixture(scope="module")
def facts():
    return fingerprint.fingerprint()


def test_it_is_json_and_names_what_decides_speed(facts):
    again = json.loads(json.dumps(facts, allow_nan=False))
    assert again == facts
    assert {"cpu_model", "usable_cores", "memory_bytes", "compiler", "gpus", "packages"} <= set(facts)
    assert facts["memory_bytes"] > 2**27
    assert facts["packages"]["theano"] == "1.0.5"


def test_the_fingerprint_does_not_identify_the_machines_owner(facts):
    text = json.dumps({key: value for key, value in facts.items() if key not in {"os", "cpu_model"}})
    assert socket.gethostname() not in text
    assert f"/{getpass.getuser()}/" not in text


def test_an_unknown_package_has_no_version():
    assert fingerprint.package_version("a-package-nobody-has-installed") is None


def test_without_a_compiler_there_is_no_version(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fingerprint.compiler_version() is None


def test_what_the_system_does_not_tell_is_none(monkeypatch):
    def fail():
        raise OSError("no /proc")

    monkeypatch.setattr(fingerprint.psutil, "virtual_memory", fail)
    monkeypatch.setattr(fingerprint.os, "getloadavg", fail)
    found = fingerprint.fingerprint()
    assert found["memory_bytes"] is None and found["load_average_1min"] is None


def test_gpus_are_described_by_nvml_and_not_identified(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(H200))
    found = fingerprint.fingerprint()
    assert [gpu["name"] for gpu in found["gpus"]] == ["NVIDIA H200"]
    assert found["gpus_missing_because"] is None
    assert "8932f937" not in json.dumps(found)


def test_a_broken_driver_leaves_no_gpus_but_a_reason(monkeypatch):
    mismatch = pynvml.NVMLError(pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(H200, init_error=mismatch))
    found = fingerprint.fingerprint()
    assert found["gpus"] == []
    assert "kernel module" in found["gpus_missing_because"]


def test_a_cgroup_quota_limits_the_usable_cores(monkeypatch, tmp_path):
    monkeypatch.setattr(fingerprint.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    write(tmp_path, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "150000 100000"})
    assert fingerprint.usable_cores(tmp_path) == 2
    write(tmp_path, {"sys/fs/cgroup/cpu.max": "max 100000"})
    assert fingerprint.usable_cores(tmp_path) == 8
    write(tmp_path, {"sys/fs/cgroup/cpu.max": "10000 100000"})
    assert fingerprint.usable_cores(tmp_path) == 1


def test_the_hugepage_setting_in_force_is_the_one_in_brackets(tmp_path):
    assert fingerprint.transparent_hugepages(tmp_path) is None
    write(tmp_path, {"sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never"})
    assert fingerprint.transparent_hugepages(tmp_path) == "madvise"


@pytest.mark.parametrize(("wheel", "version"), [("nvidia-cudnn-cu13", "9.14.0.64"), ("nvidia-cublas", None)])
def test_cudnn_is_known_by_its_wheel(monkeypatch, wheel, version):
    monkeypatch.setattr(fingerprint, "package_version", {"numpy": "2.0", wheel: "9.14.0.64"}.get)
    assert fingerprint.cudnn_version() == version


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"cpu_model": "AMD EPYC", "usable_cores": 2, "gpus": []}, "amd-epyc-2-cores"),
        ({"cpu_model": "Intel(R) Xeon(R)", "usable_cores": 16, "gpus": [{"name": "NVIDIA H200"}] * 2},
         "intel-r-xeon-r-16-cores-nvidia-h200"),
        ({"cpu_model": None, "gpus": [{"name": None}]}, "unknown-cpu-unknown-cores-unknown-gpu"),
    ],
)  # fmt: skip
def test_a_machines_folder_names_its_cpu_and_its_gpus(facts, name):
    assert fingerprint.folder_name(facts) == name
