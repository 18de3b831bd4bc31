"""PyTensor's modes: who may run where, flags that respect the user's, and what a call must leave as it found it.

That every variant computes what the oracle computes is the contract suite's; here is what PyTensor has of its own.
"""

import importlib.util
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from fresh import printed
from optional import need
from small import SMALL

from mlp import backends
from mlp.backends import Available, Unavailable
from mlp.backends.pytensor import process
from mlp.backends.pytensor.backend import PyTensorBackend
from mlp.errors import BackendError
from mlp.theano_compat import blas
from mlp.theano_compat.dialect import PYTENSOR, flag_in
from mlp.training import initial_parameters

VARIANTS = [variant.name for variant in PyTensorBackend.variants]
# One hidden layer of which a step tells the mask: see Masked.
RECIPE = replace(SMALL, layer_widths=(784, 32, 10))


def answer(variant, device="cpu"):
    return PyTensorBackend.availability(device, variant)


# --- who may run where ---------------------------------------------------------------------------------------------


@pytest.fixture
def without(monkeypatch):
    """Make a package look as if it were not installed."""
    find_spec = importlib.util.find_spec

    def hide(package):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *more: None if name == package else find_spec(name, *more)
        )

    return hide


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_pytensor_no_variant_runs(without, variant):
    without("pytensor")
    assert "the package pytensor is not installed" in answer(variant).reason
    assert "make bench BACKENDS=pytensor (or: pip install pytensor)" in answer(variant).remedy


@pytest.mark.parametrize(
    "variant, package, asked",
    [("numba", "numba", "pytensor"), ("jax", "jax", '"pytensor jax"'), ("pytorch", "torch", '"pytensor torch"')],
)
def test_a_mode_without_its_package_says_so_and_the_others_still_run(without, variant, package, asked):
    need("pytensor", "c")
    without(package)
    assert f"needs the package {package}, which is not installed" in answer(variant).reason
    assert f"make bench BACKENDS={asked} (or: pip install {package})" in answer(variant).remedy
    assert isinstance(answer("c"), Available)
    with pytest.raises(BackendError, match=f"cannot run on cpu: .*{package}"):
        backends.create("pytensor", variant)


def test_without_a_compiler_what_needs_one_says_so_and_numba_still_runs(monkeypatch, tmp_path):
    need("pytensor", "numba")
    need("pytensor", "pytorch")
    monkeypatch.setenv("PATH", str(tmp_path))
    for variant in ("c", "pytorch"):
        assert "no C++ compiler" in answer(variant).reason
        assert "apt install g++" in answer(variant).remedy
    assert isinstance(answer("numba"), Available)


def test_an_unwritable_compile_directory_is_a_reason_that_names_pytensor(monkeypatch, tmp_path):
    need("pytensor", "numba")
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("PYTENSOR_FLAGS", f"base_compiledir={blocker / 'inside'}")
    for variant in ("numba", "c"):
        assert "PyTensor's compile directory" in answer(variant).reason
        assert "PYTENSOR_FLAGS=base_compiledir" in answer(variant).reason


@pytest.mark.parametrize("variant", ["numba", "c", "pytorch"])
def test_only_jax_may_be_asked_for_a_gpu(variant):
    need("pytensor", variant)
    for device in ("cuda", "cuda:1"):
        assert "only JAX keeps its state on a GPU" in answer(variant, device).reason
        with pytest.raises(BackendError, match=f"cannot run on {device}"):
            backends.create("pytensor", variant, device)


def test_on_a_gpu_jax_answers_for_its_mode(monkeypatch):
    need("pytensor", "jax")
    jax = backends.load("jax")
    monkeypatch.setattr(jax, "availability", lambda device, variant=None: Unavailable(f"no {device} today", "Wait."))
    assert answer("jax", "cuda:1") == Unavailable("no cuda:1 today", "Wait.")
    monkeypatch.setattr(jax, "availability", lambda device, variant=None: Available("JAX on a fast GPU"))
    assert answer("jax", "cuda").detail.endswith("JAX on a fast GPU")


# --- flags -----------------------------------------------------------------------------------------------------------


def test_flags_are_completed_and_the_users_win():
    completed = process.completed("")
    assert flag_in(completed, "floatX") == "float32"
    assert flag_in(completed, "blas__ldflags") == blas.choose_blas(PYTENSOR).ldflags
    completed = process.completed("floatX=float64,blas__ldflags=-lopenblas,base_compiledir=/mine")
    assert completed.count("floatX") == completed.count("blas__ldflags") == 1
    assert flag_in(completed, "floatX") == "float64"
    assert flag_in(completed, "blas__ldflags") == "-lopenblas"
    assert flag_in(completed, "base_compiledir") == "/mine"
    assert process.completed(completed) == completed


def test_theanos_flags_are_not_pytensors(monkeypatch):
    monkeypatch.setenv("THEANO_FLAGS", "blas.ldflags=-lmkl_rt")
    monkeypatch.setenv("PYTENSOR_FLAGS", "blas__ldflags=-lopenblas")
    assert blas.choose_blas().ldflags == "-lmkl_rt"
    assert blas.choose_blas(PYTENSOR).ldflags == "-lopenblas"
    assert "PYTENSOR_FLAGS" in blas.choose_blas(PYTENSOR).name


@pytest.mark.slow
def test_a_fresh_process_needs_neither_flags_nor_a_compiler(tmp_path):
    need("pytensor", "numba")
    code = "from mlp.backends.pytensor.graph import pytensor; print(pytensor.config.floatX, pytensor.config.cxx)"
    flags = f"base_compiledir={tmp_path}"
    assert printed(code, PYTENSOR_FLAGS=flags).startswith("float32 /")
    assert printed(code, PYTENSOR_FLAGS=flags, PATH=str(tmp_path)) == "float32"


@pytest.mark.slow
@pytest.mark.parametrize("first, second", [("theano", "c"), ("c", "theano"), ("theano", "jax")])
def test_theano_and_pytensor_share_a_process(first, second):
    """Both compile C extensions of the same names, and theano_compat puts names back into NumPy and Python."""
    need("pytensor", "c")
    need("theano")
    need("pytensor", second if second != "theano" else first)
    code = """
import sys
from bench.measure.conformance.example import PLAIN
from mlp import backends
from mlp.training import initial_parameters
import numpy as np
images, labels = np.eye(4, 784, dtype=np.float32), np.arange(4, dtype=np.uint8)
losses = []
for variant in sys.argv[1:] * 2:
    name = "theano" if variant == "theano" else "pytensor"
    backend = backends.create(name, None if name == "theano" else variant)
    backend.build(PLAIN, initial_parameters(PLAIN))  # as in the contract suite, whose modules it finds
    backend.compile()
    losses.append(backend.train_step(images, labels))
print(np.ptp(losses) < 1e-6)
"""
    assert printed(code, first, second) == "True"


# --- every variant ---------------------------------------------------------------------------------------------------


class Masked:
    """A network that tells its dropout mask.

    Image k has only pixel k, and every hidden unit is 1 before its mask.  So row k of the gradient of W1 is zero
    exactly where example k's mask is, and RMSProp leaves exactly those entries as they were.
    """

    def __init__(self, backend):
        self.backend = backend
        random = np.random.RandomState(3)
        self.start = [np.zeros((784, 32)), np.ones(32), random.uniform(0.1, 1, (32, 10)), np.zeros(10)]
        self.start = [array.astype(np.float32) for array in self.start]
        backend.set_parameters(self.start)

    def step(self, num_examples):
        """(loss, mask): bool (num_examples, 32), True where a unit was kept."""
        before = self.backend.parameters()[0]
        loss = self.backend.train_step(*self.batch(num_examples))
        return loss, (self.backend.parameters()[0] != before)[:num_examples]

    @staticmethod
    def batch(num_examples):
        return np.eye(num_examples, 784, dtype=np.float32), (np.arange(num_examples) % 10).astype(np.uint8)


def built(variant, recipe=RECIPE):
    need("pytensor", variant)
    backend = backends.create("pytensor", variant)
    backend.build(recipe, initial_parameters(recipe))
    backend.compile()
    return backend


@pytest.fixture(scope="module", params=VARIANTS)
def backend(request, compile_sooner):
    compile_sooner("pytensor", request.param)
    return built(request.param)


@pytest.mark.slow
@pytest.mark.parametrize("num_examples", [20, 1])
def test_with_its_mask_known_a_step_is_the_oracles(backend, num_examples):
    """Dropout's scale, the mean over the batch and RMSProp's memory, for the recipe's batch size and another one."""
    masked = Masked(backend)
    oracle = backends.create("numpy")
    oracle.build(RECIPE, masked.start)
    for _ in range(3):
        loss, mask = masked.step(num_examples)
        uniform = np.where(mask, 0.0, 1.0)  # what the oracle has to draw for that mask
        oracle._masks = SimpleNamespace(random_sample=lambda shape, uniform=uniform: uniform)
        assert loss == pytest.approx(oracle.train_step(*masked.batch(num_examples)), rel=1e-5)
    for ours, theirs in zip(backend.parameters(), oracle.parameters(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.slow
def test_masks_of_another_batch_size_are_others(backend):
    """JAX mode copies a stream into every function: two copies of one stream would draw the same masks twice."""
    masked = Masked(backend)
    recipes_own = np.array([masked.step(20)[1][0] for _ in range(30)])
    single = np.array([masked.step(1)[1][0] for _ in range(30)])
    for masks in (recipes_own, single):
        assert masks.mean() == pytest.approx(0.6, abs=5 * np.sqrt(0.24 / masks.size))
        # Two independent masks agree with probability 0.6 * 0.6 + 0.4 * 0.4 = 0.52.
        assert (masks[1:] == masks[:-1]).mean() == pytest.approx(0.52, abs=0.09)
    assert (recipes_own == single).mean() == pytest.approx(0.52, abs=0.09)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # those that a rehearsal silences
def test_the_rehearsal_that_compiles_leaves_no_trace(backend, monkeypatch):
    """A network that is never rehearsed, and compiles in its first step, learns the same."""
    not_warmed_up = PyTensorBackend(backend.variant.name)
    not_warmed_up.build(RECIPE, initial_parameters(RECIPE))
    monkeypatch.setattr(not_warmed_up, "_warm_up", lambda *_: None)
    rehearsed = built(backend.variant.name)
    batch = Masked.batch(20)
    expected = [not_warmed_up.train_step(*batch) for _ in range(3)]
    assert [rehearsed.train_step(*batch) for _ in range(3)] == expected
    assert len(set(expected)) == 3


@pytest.mark.slow
def test_arrays_may_be_read_only_and_labels_of_any_integers(backend):
    images, labels = Masked.batch(20)
    expected = backend.evaluate(images, labels)
    square, wide = images.reshape(20, 1, 28, 28), labels.astype(np.int32)
    for array in (square, wide):
        array.setflags(write=False)
    assert backend.evaluate(square, wide) == expected


@pytest.mark.slow
def test_compilation_tells_its_parts(backend):
    parts = built(backend.variant.name).compile_seconds
    assert set(parts) == {"compile_train", "compile_validate"}
    assert all(seconds > 0 for seconds in parts.values())


# --- one variant each ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_c_multiplies_through_the_chosen_blas_and_leaves_nothing_to_numba():
    backend = built("c")
    import pytensor

    assert pytensor.config.blas__ldflags == blas.choose_blas(PYTENSOR).ldflags
    names = [str(node.op) for node in backend._function("training", 20).maker.fgraph.toposort()]
    assert any(name.startswith(("Dot22", "Gemm")) for name in names)
    assert not any("Softmax" in name for name in names)  # graphs within the graph, which numba would compile


@pytest.mark.slow
def test_jax_compiles_a_step_only_once_and_keeps_its_state_on_the_device():
    backend = built("jax")
    import jax

    for _ in range(3):
        backend.train_step(*Masked.batch(20))
    assert backend._function("training", 20).vm.jit_fn._cache_size() == 1
    assert all(array.devices() == {jax.devices("cpu")[0]} for array in backend._state())


@pytest.mark.slow
def test_jax_on_another_device_than_asked_for_is_an_error(monkeypatch):
    backend = built("jax")
    elsewhere = SimpleNamespace(devices=lambda: {"another device"})
    monkeypatch.setattr(backend, "_state", lambda: [elsewhere])
    monkeypatch.setattr(backend, "synchronize", lambda: None)
    with pytest.raises(BackendError, match=r"was to compute on .*, but its state is on .*another device"):
        backend.train_step(*Masked.batch(3))


@pytest.mark.slow
def test_a_compile_directory_that_stays_locked_is_one_sentence(monkeypatch):
    need("pytensor", "numba")
    backend = PyTensorBackend("numba")
    backend.build(RECIPE, initial_parameters(RECIPE))

    def locked(*_, **__):
        raise TimeoutError("The file lock could not be acquired.")  # as filelock's Timeout, which is one

    monkeypatch.setattr("pytensor.function", locked)
    with pytest.raises(BackendError, match=r"could not be acquired.*PYTENSOR_FLAGS=base_compiledir"):
        backend.compile()


@pytest.mark.slow
def test_pytorchs_streams_are_values_and_its_comparison_has_an_element_for_each():
    need("pytensor", "pytorch")
    PyTensorBackend("pytorch").import_framework()
    import pytensor
    import pytensor.tensor as pt
    import torch

    from mlp.backends.pytensor.torch_mode import uniform

    drawn = [uniform(torch.tensor(stream), [1000]) for stream in ([7, 0], [7, 0], [7, 1], [8, 0])]
    assert torch.equal(drawn[0], drawn[1])
    for one, two in ((0, 2), (0, 3), (2, 3)):
        assert abs(np.corrcoef(drawn[one], drawn[two])[0, 1]) < 5 / np.sqrt(1000)
    x = pt.matrix("x", dtype="float32", shape=(2, 3))
    hits = pytensor.function([x], pt.eq(pt.argmax(x, axis=1), np.int64(1)), mode="PYTORCH")
    np.testing.assert_array_equal(hits(np.float32([[1, 3, 2], [5, 5, 1]])), [True, False])
