"""Compatibility of Theano 1.0.5: the user's flags, a BLAS that is really linked, restored names."""

import inspect
import os
import socket
import sys

import numpy as np
import pytest
from fresh import printed

from mlp.errors import BackendError
from mlp.theano_compat import blas, compiler, flags, install, numpy_names
from mlp.theano_compat.dialect import flag_in

HOST = socket.gethostname()


# --- flags -------------------------------------------------------------------------------------------------------


def test_defaults_are_added():
    completed = flags.completed("")
    assert flag_in(completed, "floatX") == "float32"
    assert flag_in(completed, "blas.ldflags") == blas.choose_blas().ldflags


def test_the_users_flags_win():
    completed = flags.completed("floatX=float64,blas.ldflags=-lopenblas,optimizer=None")
    assert completed.count("floatX") == 1
    assert flag_in(completed, "floatX") == "float64"
    assert flag_in(completed, "blas.ldflags") == "-lopenblas"
    assert flag_in(completed, "optimizer") == "None"


@pytest.mark.skipif(not numpy_names.IS_NUMPY_2, reason="the header is for NumPy 2")
def test_the_header_comes_before_the_users_compiler_flags_and_only_once():
    once = flags.completed("gcc.cxxflags=-O1")
    assert flag_in(once, "gcc.cxxflags") == f"-include {flags.HEADER} -O1"
    assert flags.completed(once) == once


def test_a_flag_is_found_among_others():
    assert flag_in("a=1, blas.ldflags = -lfoo ,c=3", "blas.ldflags") == "-lfoo"
    assert flag_in("a=1", "blas.ldflags") is None
    assert flag_in("blas.ldflags=", "blas.ldflags") == ""


# --- BLAS ----------------------------------------------------------------------------------------------------------


def test_the_order_is_user_then_scipy_then_numpy(monkeypatch, tmp_path):
    monkeypatch.setenv("THEANO_FLAGS", "blas.ldflags=-lmkl_rt")
    assert blas.choose_blas().ldflags == "-lmkl_rt"
    monkeypatch.setenv("THEANO_FLAGS", "")
    library = tmp_path / "libscipy_openblas-0123.so"
    monkeypatch.setattr(blas, "scipy_openblas", lambda: library)
    chosen = blas.choose_blas()
    assert chosen.library == library
    assert f"-L{tmp_path} -lscipy_openblas-0123 -Dsgemm_=scipy_sgemm_" in chosen.ldflags
    monkeypatch.setattr(blas, "scipy_openblas", lambda: None)
    assert blas.choose_blas().ldflags == ""
    assert "6 %" in blas.choose_blas().note


def test_flags_hold_no_comma_which_would_end_them():
    assert "," not in blas.choose_blas().ldflags


@pytest.mark.slow
def test_theano_multiplies_through_the_chosen_blas(monkeypatch):
    """The process that ran a compiled dot has SciPy's OpenBLAS mapped by the compiled module's own link."""
    if blas.scipy_openblas() is None:
        pytest.skip("this SciPy ships no OpenBLAS")
    install()
    import theano
    import theano.tensor as T

    a, b = T.matrix(), T.matrix()
    dot = theano.function([a, b], T.dot(a, b))
    left, right = (np.random.RandomState(seed).uniform(size=(40, 40)).astype(np.float32) for seed in (1, 2))
    np.testing.assert_allclose(dot(left, right), left.astype(float) @ right, rtol=1e-4)
    assert "Dot22" in str(dot.maker.fgraph.toposort())
    assert theano.config.blas.ldflags == blas.choose_blas().ldflags


# --- compiler and compile directory ----------------------------------------------------------------------------------


def test_without_a_compiler_install_refuses(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match=r"no C\+\+ compiler.*apt install g\+\+"):
        flags.prepare()


def test_the_users_compiler_is_the_one_looked_for(monkeypatch):
    monkeypatch.setenv("THEANO_FLAGS", "cxx=a-compiler-that-is-not-there")
    assert compiler.find_compiler() is None


def test_an_unwritable_compile_directory_is_one_sentence(monkeypatch, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("THEANO_FLAGS", f"base_compiledir={blocker / 'below'}")
    with pytest.raises(BackendError, match=r"cannot be written.*THEANO_FLAGS=base_compiledir"):
        compiler.check_compile_directory()


def locked_by(tmp_path, pid, host=HOST):
    (tmp_path / "lock_dir").mkdir()
    (tmp_path / "lock_dir" / "lock").write_text(f"{pid}_12345_{host}\n")
    return tmp_path


def test_a_compile_directory_locked_by_a_live_process_is_one_sentence_after_the_limit(tmp_path):
    slept = []
    with pytest.raises(BackendError, match=r"locked by process 1 \(the lock is \d+ s old\): end that process"):
        compiler.wait_for_lock(locked_by(tmp_path, 1), limit_seconds=3, sleep=slept.append)
    assert sum(slept) == 3


def test_a_lock_of_another_host_names_the_host_and_what_to_delete_and_never_a_process_to_end(tmp_path, capfd):
    directory, slept = locked_by(tmp_path, 1, "otherhost"), []
    with pytest.raises(BackendError, match=f"process 1 of the host otherhost .* delete {directory}/lock_dir") as caught:
        compiler.wait_for_lock(directory, limit_seconds=10, sleep=slept.append)
    assert sum(slept) == 10 and "end that process" not in str(caught.value)
    assert capfd.readouterr().err.startswith("waiting for process 1 of the host otherhost")
    os.utime(directory / "lock_dir" / "lock", (0, 0))
    with pytest.raises(BackendError, match="otherhost"):
        compiler.wait_for_lock(directory, sleep=lambda seconds: pytest.fail("waited for an abandoned lock"))


@pytest.mark.parametrize("name", ["a#b", "a'b", 'a"b'])
def test_a_folder_that_a_flag_cannot_hold_is_refused_before_theano_compiles_elsewhere(monkeypatch, tmp_path, name):
    monkeypatch.setenv("THEANO_FLAGS", f"base_compiledir={tmp_path / name}")
    with pytest.raises(BackendError, match="flags cannot hold the folder"):
        compiler.check_compile_directory()


def test_a_lock_that_is_released_is_waited_for(tmp_path):
    directory = locked_by(tmp_path, 1)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 2:
            (directory / "lock_dir" / "lock").unlink()

    compiler.wait_for_lock(directory, sleep=sleep)
    assert len(slept) == 2


def test_a_process_that_takes_the_lock_for_one_module_after_another_is_waited_for(tmp_path, capfd):
    lock = locked_by(tmp_path, 1) / "lock_dir" / "lock"
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        lock.write_text(f"1_{len(slept)}_{HOST}\n")
        if len(slept) == 30:
            lock.unlink()

    compiler.wait_for_lock(tmp_path, limit_seconds=3, sleep=sleep)
    assert len(slept) == 30
    assert capfd.readouterr().err.count("waiting for process 1,") == 1


@pytest.mark.parametrize(
    "content",
    ["", "nonsense", f"{os.getpid()}_1_{HOST}", f"{2**22 + 1}_1_{HOST}"],
    ids=["empty", "nonsense", "mine", "dead"],  # a process number in a name would differ between workers
)
def test_locks_without_a_live_owner_elsewhere_are_theanos_business(tmp_path, content):
    (locked_by(tmp_path, 1) / "lock_dir" / "lock").write_text(content)
    compiler.wait_for_lock(tmp_path, sleep=lambda seconds: pytest.fail("waited"))


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_installing_twice_changes_nothing():
    install()
    before = os.environ["THEANO_FLAGS"]
    install()
    assert os.environ["THEANO_FLAGS"] == before
    assert callable(inspect.getargspec)


@pytest.mark.slow
def test_cast_takes_types_and_theano_types():
    install()
    import theano.tensor as T

    for kind in ("float32", np.float32, T.fvector):
        assert np.cast[kind](3).dtype == np.float32


@pytest.mark.slow
def test_common_operations_beside_the_mlps_compile_and_agree_with_numpy(precompiled_header):
    """Each of these goes through a different patch: reductions over all axes, indexing, casting, sorting."""
    install()
    import theano
    import theano.tensor as T

    x = T.matrix()
    outputs = [x.sum(), x.max(axis=1), x[[0, 2]], T.argmax(x, axis=0), T.cast(x, "int32"), T.nnet.softmax(x), x.T]
    value = np.random.RandomState(0).normal(size=(3, 4)).astype(np.float32)
    exponentials = np.exp(value - value.max(axis=1, keepdims=True))
    expected = [
        value.sum(),
        value.max(axis=1),
        value[[0, 2]],
        value.argmax(axis=0),
        value.astype(np.int32),
        exponentials / exponentials.sum(axis=1, keepdims=True),
        value.T,
    ]
    for ours, theirs in zip(theano.function([x], outputs)(value), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.slow
def test_a_fresh_process_needs_no_environment():
    """As a user starts it: no THEANO_FLAGS, no BLAS named; the import alone must work and be silent."""
    code = "import mlp.canonical; print(mlp.canonical.theano.config.floatX)"
    assert printed(code, THEANO_FLAGS=None) == "float32"


def test_paths_can_be_prepended_by_monkeypatch_after_theano_is_prepared(theano, monkeypatch, tmp_path):
    """pytest tells pkg_resources of the path where that is imported, and ours stands in for it."""
    import lasagne  # noqa: F401

    monkeypatch.syspath_prepend(tmp_path)
    assert sys.path[0] == str(tmp_path)
