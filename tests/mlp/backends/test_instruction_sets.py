"""The kernels of theano/tuned, compiled alone for each instruction set, against NumPy: run where the processor can."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from philox import words

from mlp.theano_compat.compiler import find_compiler

HERE = Path(__file__).parent / "kernels"
KERNELS = Path(__file__).parents[3] / "mlp" / "backends" / "theano" / "tuned"
ROWS, UNITS, INPUTS, CLASSES = 80, 140, 200, 10  # 2**21 multiplications, and no whole number of tiles or blocks
KEY, STEP, KEEP = (0x12345678, 0x9ABCDEF0), (7 << 32) + 3, 0.6
X86 = {"x86-64": ("SSE2", "sse2"), "x86-64-v3": ("AVX2", "avx2"), "x86-64-v4": ("AVX-512", "avx512bw")}
CROSS_COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"


def compiled(compiler, flags, folder):
    program = folder / "kernels"
    flags = ["-O2", "-pthread", "-fno-math-errno", "-fno-trapping-math", *flags, f"-I{HERE}", f"-I{KERNELS}"]
    found = subprocess.run([compiler, *flags, HERE / "kernels.cpp", "-o", program], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return program


def processor_flags():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split()}


@pytest.fixture(scope="module", params=[*X86, "aarch64"])
def kernels(request, tmp_path_factory):
    """Instruction set, and the command that runs the kernels compiled for it."""
    folder = tmp_path_factory.mktemp("kernels")
    if request.param == "aarch64":
        if shutil.which(CROSS_COMPILER) is None:
            pytest.skip(f"{CROSS_COMPILER} is not installed: apt install g++-aarch64-linux-gnu qemu-user")
        program = compiled(CROSS_COMPILER, ["-static"], folder)
        if shutil.which(EMULATOR) is None:
            pytest.skip(f"compiled, but not run: {EMULATOR} is not installed: apt install qemu-user")
        return "NEON", [EMULATOR, program]
    name, flag = X86[request.param]
    if find_compiler() is None or flag not in processor_flags():
        pytest.skip(f"this machine has no C++ compiler or no {name}")
    return name, [compiled(find_compiler(), [f"-march={request.param}"], folder)]


def run(kernels, inputs, num_threads):
    """Outputs of all kernels, float32, as an iterator that takes shapes."""
    name, command = kernels
    sizes = map(str, (num_threads, ROWS, UNITS, INPUTS, CLASSES))
    ended = subprocess.run([*command, *sizes], input=b"".join(x.tobytes() for x in inputs), capture_output=True)
    assert (ended.returncode, ended.stderr.decode().strip()) == (0, name)
    numbers = np.frombuffer(ended.stdout, np.float32)

    def take(*shape):
        nonlocal numbers
        taken, numbers = numbers[: np.prod(shape)].reshape(shape), numbers[np.prod(shape) :]
        return taken

    return take


@pytest.mark.slow
@pytest.mark.parametrize("num_threads", [1, 2])
def test_every_kernel_computes_what_numpy_does(kernels, num_threads):
    random = np.random.RandomState(0)

    def normal(*shape):
        return random.randn(*shape).astype(np.float32)

    a, b = normal(ROWS, INPUTS) * (random.rand(ROWS, INPUTS) < 0.2).astype(np.float32), normal(INPUTS, UNITS)
    a[3, 7] = -0.0
    z, bias, gradient, scores, class_bias, value = (
        *(normal(ROWS, UNITS), normal(UNITS), normal(ROWS, UNITS)),
        *(normal(ROWS, CLASSES), normal(CLASSES), normal(ROWS, UNITS)),
    )
    mean_square = normal(ROWS, UNITS) ** 2
    inputs = [a, np.ascontiguousarray(a.T), b, np.ascontiguousarray(b.T), z, bias, gradient, scores, class_bias]
    take = run(kernels, [*inputs, value, mean_square], num_threads)

    products = take(16, ROWS, UNITS)  # dense, and tiles of 32, 64 and 128 columns; with all transpositions
    np.testing.assert_allclose(products, np.tile(a.astype(float) @ b, (16, 1, 1)), rtol=0, atol=1e-4)
    np.testing.assert_array_equal(products[4:], np.tile(products[4], (12, 1, 1)))  # tiles do not change a bit

    kept = words(KEY, STEP, ROWS, UNITS) < round(KEEP * 2**32)
    hidden = np.where(kept, np.maximum(z + bias, 0) / np.float32(KEEP), 0)
    np.testing.assert_allclose(take(ROWS, UNITS), hidden, rtol=1e-6)
    passed = np.where(hidden != 0, gradient / np.float32(KEEP), 0)
    np.testing.assert_allclose(take(ROWS, UNITS), passed, rtol=1e-6)
    np.testing.assert_allclose(take(UNITS), passed.sum(axis=0, dtype=float), rtol=0, atol=1e-4)

    labels = np.arange(ROWS) % CLASSES
    exponentials = np.exp((scores + class_bias).astype(float))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    slopes = (probabilities - np.eye(CLASSES)[labels]) / ROWS
    np.testing.assert_allclose(take(ROWS, CLASSES), slopes, rtol=0, atol=1e-7)
    np.testing.assert_allclose(take(CLASSES), slopes.sum(axis=0), rtol=0, atol=1e-6)
    loss, accuracy = take(2)
    assert loss == pytest.approx(-np.log(probabilities[np.arange(ROWS), labels]).mean(), rel=1e-5)
    assert accuracy == pytest.approx((probabilities.argmax(axis=1) == labels).mean())

    new_square = 0.9 * mean_square + 0.1 * passed.astype(float) ** 2
    new_value = value - 0.01 * passed / np.sqrt(new_square + 1e-6)
    updated = take(ROWS, UNITS)
    np.testing.assert_allclose(updated, new_value, rtol=0, atol=1e-6)
    np.testing.assert_allclose(take(ROWS, UNITS), new_square, rtol=1e-5, atol=1e-12)
    np.testing.assert_array_equal(take(ROWS, UNITS), updated[::-1])


@pytest.mark.slow
def test_an_operation_uses_no_more_threads_than_it_asks_for(kernels):
    """After one of more threads in the same process."""
    found = subprocess.run([*kernels[1], "2", "threads"], capture_output=True, text=True, check=True)
    assert int(found.stdout) in (1, 2)


def test_the_smallest_products_that_skip_zeros_are_the_same_for_cpp_and_python():
    from mlp.backends.theano.tuned import tuning

    text = (KERNELS / "tuning.h").read_text()
    assert f"MIN_SIDE = {tuning.MIN_SIDE};" in text and "MIN_MULTIPLICATIONS = 1 << 21;" in text
    assert tuning.MIN_MULTIPLICATIONS == 1 << 21
