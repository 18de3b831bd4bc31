"""Theano's GPU environment is made whole or not at all, and what is missing is one sentence."""

import json
import os
from pathlib import Path

import pytest

from mlp.backends.gpu import Driver
from tools.theano_gpu import build, commands, cuda, opencl
from tools.theano_gpu.commands import BuildError


@pytest.fixture
def pythons(monkeypatch):
    """``pythons["python3.11"] = (version, has_pip, has_header)``: the interpreters on this machine."""
    there = {}

    def run(argv, remedy, cwd=None):
        if argv[0] not in there:
            raise BuildError(f"{argv[0]} cannot be started")
        return json.dumps(there[argv[0]])

    monkeypatch.setattr(build, "run", run)
    return there


def package_files(folder, *names):
    folder.mkdir()
    for name in names:
        (folder / f"{name}_0.7.6-13_amd64.deb").write_text("")
    return folder


# --- what a machine may lack ---------------------------------------------------------------------------------------


def test_another_architecture_is_refused(monkeypatch):
    monkeypatch.setattr(build.platform, "machine", lambda: "aarch64")
    with pytest.raises(BuildError, match=r"Linux on x86-64, and this is \w+ on aarch64: use another backend"):
        build.check_platform()


def test_without_dpkg_nothing_can_be_unpacked(monkeypatch):
    monkeypatch.setattr(build.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    with pytest.raises(BuildError, match=r"dpkg-deb.*not found on PATH: install dpkg"):
        build.check_platform()


def test_without_apt_the_packages_can_be_brought_along(monkeypatch, tmp_path):
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    with pytest.raises(BuildError, match=r"apt-get.*make theano-gpu DEBS=<folder>"):
        build.download(tmp_path)


def test_a_folder_without_a_package_says_which(tmp_path):
    folder = package_files(tmp_path / "debs", "libgpuarray3", "libgpuarray-dev")
    with pytest.raises(BuildError, match=r"holds no file python3-pygpu_\*\.deb"):
        build.unpack(folder, tmp_path / "unpacked")


def test_a_pygpu_for_another_python_is_refused(monkeypatch, tmp_path):
    """As on releases after Debian 12, whose pygpu is built for a newer Python."""
    other = tmp_path / "unpacked" / "usr/lib/python3/dist-packages/pygpu/gpuarray.cpython-313-x86_64-linux-gnu.so"
    other.parent.mkdir(parents=True)
    other.write_text("")
    monkeypatch.setattr(build, "run", lambda *arguments, **more: "")
    with pytest.raises(BuildError, match=r"not built for Python 3\.11.*DEBS=<folder>"):
        build.unpack(package_files(tmp_path / "debs", *build.PACKAGES), tmp_path / "unpacked")


def test_only_python_311_will_do(pythons):
    pythons["python3"] = ([3, 12], True, True)
    with pytest.raises(BuildError, match=r"no Python 3\.11 was found.*PYTHON311=<path>"):
        build.find_python(None)


def test_a_named_python_of_another_version_is_told_its_version(pythons):
    pythons["/opt/python"] = ([3, 13], True, True)
    with pytest.raises(BuildError, match=r"/opt/python is Python 3\.13, .* 3\.11 only"):
        build.find_python("/opt/python")


def test_a_launcher_without_a_python_behind_it_is_passed_over(pythons):
    pythons["python3"] = ([3, 11], True, True)  # python3.11 cannot be started
    assert build.find_python(None).name == "python3"


@pytest.mark.parametrize("parts, lack", [((False, True), "ensurepip"), ((True, False), r"header Python\.h")])
def test_a_python_311_that_lacks_a_part_names_it(pythons, parts, lack):
    pythons["python3.11"] = ([3, 11], *parts)
    with pytest.raises(BuildError, match=rf"python3\.11 has no {lack}: .*python3\.11-dev python3\.11-venv"):
        build.find_python("python3.11")


# --- whole or not at all -------------------------------------------------------------------------------------------


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """A build whose steps are fakes that leave files; ``steps["cuda"] = error`` lets the last one fail."""
    errors = {}

    def create(environment, base_python):
        environment.mkdir()
        (environment / "pyvenv.cfg").write_text("")

    def add(python):
        if "cuda" in errors:
            raise errors["cuda"]
        return "CUDA's libraries were left out."

    monkeypatch.setattr(build, "check_platform", lambda: None)
    monkeypatch.setattr(build, "find_python", lambda named: Path("python3.11"))
    monkeypatch.setattr(build, "download", lambda folder: folder)
    monkeypatch.setattr(build, "unpack", lambda debs, target: target)
    monkeypatch.setattr(build, "create", create)
    monkeypatch.setattr(build, "install_pygpu", lambda unpacked, environment: None)
    monkeypatch.setattr(build.cuda, "add", add)
    return errors


@pytest.mark.parametrize("error", [BuildError("no index"), KeyboardInterrupt()])
def test_a_build_that_does_not_end_leaves_nothing(steps, tmp_path, error):
    steps["cuda"] = error
    environment = tmp_path / "environment"
    with pytest.raises(type(error)):
        build.build(environment)
    assert not environment.exists()


def test_a_complete_environment_is_not_made_again(steps, tmp_path, monkeypatch):
    environment = tmp_path / "environment"
    build.build(environment)
    assert build.is_complete(environment)
    monkeypatch.setattr(build, "create", lambda *arguments: pytest.fail("created again"))
    build.build(environment)


def test_a_complete_environment_survives_a_failure_to_add_cuda(steps, tmp_path):
    environment = tmp_path / "environment"
    build.build(environment)
    steps["cuda"] = BuildError("no index")
    with pytest.raises(BuildError):
        build.build(environment)
    assert build.is_complete(environment)


def test_other_pins_make_it_incomplete(steps, tmp_path, monkeypatch):
    environment = tmp_path / "environment"
    build.build(environment)
    pins = tmp_path / "pins.txt"
    pins.write_text("numpy==1.26.3\n")
    monkeypatch.setattr(build, "PINS", pins)
    assert not build.is_complete(environment)


def test_what_is_missing_is_one_sentence_and_exit_code_two(monkeypatch, capsys):
    def fail(*arguments):
        raise BuildError("no Python 3.11 was found.")

    monkeypatch.setattr(build, "build", fail)
    assert build.main([]) == 2
    assert capsys.readouterr().err == "error: no Python 3.11 was found.\n"


# --- CUDA's libraries ----------------------------------------------------------------------------------------------


def refuse_to_load(name):
    raise OSError(name)


def test_without_a_driver_cuda_is_left_out(tmp_path):
    sentence = cuda.add(tmp_path / "bin" / "python", refuse_to_load)
    assert "left out, because no NVIDIA driver" in sentence
    assert "again where the GPU is" in sentence


@pytest.fixture
def driver(monkeypatch):
    monkeypatch.setattr(cuda, "_link_driver", lambda folder, load: None)

    def answer(cuda_version):
        monkeypatch.setattr(cuda.gpu, "driver", lambda load: Driver(cuda_version, ((9, 0),)))

    return answer


def test_a_driver_older_than_the_pinned_libraries_is_to_be_updated(driver, tmp_path):
    driver((11, 8))
    with pytest.raises(BuildError, match=r"supports CUDA 11\.8 .* need 12\.0: update the driver to 525\.60"):
        cuda.add(tmp_path / "bin" / "python", refuse_to_load)


def test_a_usable_toolkit_is_left_as_it_is(driver, tmp_path, monkeypatch):
    driver((11, 8))
    monkeypatch.setattr(cuda, "toolkit_problem", lambda driver, load: None)
    monkeypatch.setattr(cuda, "run", lambda *arguments: pytest.fail("installed"))
    assert "on the loader's path" in cuda.add(tmp_path / "bin" / "python", refuse_to_load)


def test_the_libraries_of_wheels_are_linked_by_both_names(tmp_path, monkeypatch):
    """NVRTC opens its built-ins by their full name, libgpuarray opens NVRTC by its short one."""
    wheel = tmp_path / "site-packages" / "nvidia" / "cuda_nvrtc" / "lib"
    wheel.mkdir(parents=True)
    for name in ("libnvrtc.so.12", "libnvrtc-builtins.so.12.0", "__init__.py"):
        (wheel / name).write_text(name)
    monkeypatch.setattr(cuda, "run", lambda argv, remedy: f"{tmp_path / 'site-packages'}\n")
    folder = tmp_path / "lib"
    folder.mkdir()
    for _ in range(2):  # the second time over the first one's links
        cuda.link_wheels(tmp_path / "bin" / "python", folder)
    assert (folder / "libnvrtc.so").read_text() == "libnvrtc.so.12"
    assert {link.name for link in folder.iterdir()} == {
        "libnvrtc.so",
        "libnvrtc.so.12",
        "libnvrtc-builtins.so",
        "libnvrtc-builtins.so.12.0",
    }


def test_the_pinned_compiler_is_not_newer_than_the_oldest_driver_taken():
    (pin,) = [line for line in cuda.PINS.read_text().splitlines() if line.startswith("nvidia-cuda-nvrtc")]
    version = tuple(int(part) for part in pin.partition("==")[2].split(".")[:2])
    assert version <= cuda.OLDEST_CUDA


def test_a_driver_without_its_short_name_is_linked_to_what_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(cuda, "_loaded_from", lambda prefix: Path("/opt/driver/libcuda.so.1"))
    cuda._link_driver(tmp_path, refuse_to_load)
    assert (tmp_path / "libcuda.so").readlink() == Path("/opt/driver/libcuda.so.1")


def test_a_loaded_library_is_found_with_its_stable_name():
    """The C library is loaded in every process."""
    found = cuda._loaded_from("libc.so")
    assert found.name == "libc.so.1"
    assert (found.parent / "libc.so.6").exists()


# --- commands and OpenCL -------------------------------------------------------------------------------------------


def test_a_command_that_fails_says_why_and_what_to_do(monkeypatch, tmp_path):
    fake = tmp_path / "apt-get"
    fake.write_text("#!/bin/sh\nprintf 'W: unsandboxed\\nE: Unable to locate package\\nlast line\\n' >&2\nexit 100\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(BuildError, match=r"^apt-get download x failed \(E: Unable to locate package\): try y\.$"):
        commands.run(["apt-get", "download", "x"], "try y.")


def test_a_command_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(BuildError, match=r"cannot be started \(No such file or directory\): install it\."):
        commands.run([tmp_path / "nothing"], "install it.")


class FakeOpenCL:
    def __init__(self, num_platforms):
        self.num_platforms = num_platforms

    def clGetPlatformIDs(self, num_entries, platforms, count):
        count._obj.value = self.num_platforms


@pytest.mark.slow
def test_opencl_says_what_it_lacks_and_the_command_that_adds_it():
    assert opencl.missing(lambda name: FakeOpenCL(1)) is None
    assert "no platform" in opencl.missing(lambda name: FakeOpenCL(0))
    sentence = opencl.missing(refuse_to_load)
    assert sentence.startswith("libOpenCL.so is not on the loader's path")
    assert "apt-get install" in sentence and "pocl-opencl-icd" in sentence
