"""Fast compilation changes how long Theano takes, and nothing else: not the numbers, not the code, not Theano."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from compile_fast import finish, start, ten_steps

from mlp.backends.theano import TheanoBackend
from mlp.patching import replaced
from mlp.theano_compat import install
from mlp.theano_fast import fast_compilation, header
from mlp.theano_fast.compile_pool import WORTH_A_HEADER, CompilePool, job_of
from mlp.theano_fast.folding import python_constant_folding
from mlp.theano_fast.header import NO_DEBUGGING, PrecompiledHeader
from mlp.theano_fast.keys import stable_keys


@pytest.fixture(scope="module")
def theano():
    install()
    import theano

    return theano


# --- replacing for a while ---------------------------------------------------------------------------------------


class Parent:
    def inherited(self):
        return "the parent's"


class Child(Parent):
    @staticmethod
    def own():
        return "the original"


def test_what_was_replaced_comes_back_even_after_an_error():
    with pytest.raises(KeyError), replaced(Child, "own", lambda self: 1), replaced(Child, "inherited", lambda self: 2):
        assert (Child().own(), Child().inherited()) == (1, 2)
        raise KeyError
    assert Child().own() == "the original"
    assert isinstance(vars(Child)["own"], staticmethod) and "inherited" not in vars(Child)


def test_theano_is_as_it_was_afterwards(theano):
    from theano.gof.cc import CLinker
    from theano.gof.cmodule import GCC_compiler, ModuleCache
    from theano.gof.op import COp, Op
    from theano.gof.vm import VM_Linker
    from theano.tensor.elemwise import Elemwise

    owners = (CLinker, GCC_compiler, ModuleCache, COp, Op, VM_Linker, Elemwise)
    before = [dict(vars(owner)) for owner in owners]
    with pytest.raises(KeyError), fast_compilation():
        assert [dict(vars(owner)) for owner in owners] != before
        raise KeyError
    assert [dict(vars(owner)) for owner in owners] == before


# --- keys --------------------------------------------------------------------------------------------------------


def key_of(theano, variable):
    linker = theano.gof.cc.CLinker()
    return linker.accept(theano.gof.FunctionGraph(variable.owner.inputs, [variable])).cmodule_key()


def test_a_module_is_kept_although_nothing_distinguishes_two_instances_of_its_operation(theano):
    x = theano.tensor.fmatrix()
    product = theano.tensor.blas._dot22(x, x)
    assert key_of(theano, product)[0] == ()  # Theano's: compiled again in every process
    with stable_keys():
        version, signature = key_of(theano, product)
    assert version and all(version)
    assert signature == key_of(theano, product)[1]


def test_a_module_whose_operation_has_no_version_is_still_not_kept(theano):
    class Unversioned(type(theano.tensor.blas._dot22)):
        def c_code_cache_version(self):
            return ()

    x = theano.tensor.fmatrix()
    with stable_keys():
        assert key_of(theano, Unversioned()(x, x))[0] == ()


def test_a_key_that_was_stable_already_stays_the_same(theano):
    x = theano.tensor.fmatrix()
    theirs = key_of(theano, theano.tensor.exp(x))
    with stable_keys():
        assert key_of(theano, theano.tensor.exp(x)) == theirs


def test_the_version_of_c_code_tells_codes_apart_and_does_not_depend_on_the_process(theano):
    transpose = theano.tensor.fmatrix().T.owner.op
    theirs = transpose.c_code_cache_version()
    with stable_keys():
        ours = transpose.c_code_cache_version()
        # SHA-256 of its C code, and what Theano appends to its own hash
        assert isinstance(ours[0], str) and len(ours[0]) == 64 and ours[1:] == theirs[1:]
        other = type(transpose)((False, False), (0, 1))
        other.func_codes = [transpose.func_codes[0] + " "]
        assert other.c_code_cache_version() != ours


# --- constant folding --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_constants_are_folded_without_a_compiler(theano, monkeypatch):
    from theano.gof.cmodule import GCC_compiler
    from theano.tensor.opt import constant_folding

    def no_compiler(*args, **kwargs):
        raise AssertionError("compiled for a constant")

    monkeypatch.setattr(GCC_compiler, "compile_str", staticmethod(no_compiler))
    values = np.array([1.5, -2.0, 4.0], np.float32)
    x = theano.tensor.constant(values)
    for variable, expected in ((x * x, values * values), (x[::-1], values[::-1]), (x.sum(), np.float32(3.5))):
        with python_constant_folding():
            (folded,) = constant_folding.transform(variable.owner)
        assert folded.dtype == "float32"
        assert (folded.data == expected).all()


# --- compiling in the background -----------------------------------------------------------------------------------


@pytest.fixture
def pool(tmp_path):
    """One compiler that writes down its orders, and fails on bad code; it begins when ``gate`` is set."""
    gate, begun = threading.Event(), []

    def compile_str(name, source, location, preargs, **_):
        gate.wait(60)
        begun.append((name, preargs))
        if source.startswith("bad"):
            raise OSError("compiler: no such file")
        (Path(location) / f"{name}.so").write_text(source)

    pool = CompilePool(compile_str, tmp_path, workers=1)
    pool.gate, pool.begun = gate, begun
    yield pool
    gate.set()
    pool.close()


def test_an_order_is_collected_once_and_only_with_the_same_options(pool):
    pool.gate.set()
    job = job_of("a", "code", preargs=["-O3"])
    pool.begin([job, job])
    assert pool.collect(job_of("a", "code", preargs=["-O1"])) is None
    assert (pool.collect(job) / "a.so").read_text() == "code"
    assert pool.collect(job) is None
    assert pool.begun == [("a", ["-O3", NO_DEBUGGING])]


def test_what_does_not_compile_is_left_to_the_linker(pool):
    pool.gate.set()
    job = job_of("a", "bad code")
    pool.begin([job])
    pool.wait(job)
    assert pool.collect(job) is None


def test_the_longest_comes_first(pool):
    jobs = [job_of("first", "x"), job_of("short", "xx"), job_of("long", "xxxx"), job_of("middle", "xxx")]
    pool.begin(jobs[:1])  # the one compiler is busy with it
    pool.begin(jobs[1:])
    pool.gate.set()
    for job in jobs:
        pool.wait(job)
    assert [name for name, _ in pool.begun] == ["first", "long", "middle", "short"]


def test_a_header_is_made_only_for_many_orders_and_with_the_options_that_most_have(pool, monkeypatch):
    made = []
    monkeypatch.setattr(PrecompiledHeader, "make", lambda self, options: made.append(options))
    pool.gate.set()
    few = [job_of(f"few{number}", "x") for number in range(WORTH_A_HEADER - 1)]
    many = [job_of(f"many{number}", "x", preargs=["-O3"]) for number in range(WORTH_A_HEADER)]
    more = [job_of(f"more{number}", "x") for number in range(WORTH_A_HEADER)]
    for jobs in (few, [*many, job_of("other", "x")], more):
        pool.begin(jobs)
        for job in jobs:
            pool.wait(job)
    assert made == [("-O3",)]


def test_no_header_is_used_that_could_not_be_made(theano, tmp_path, monkeypatch):
    broken = PrecompiledHeader(tmp_path)
    broken.make(["--no-such-option"])
    assert broken.options() == []
    monkeypatch.setattr(header, "_output", lambda command: b"clang version 19")
    clang = PrecompiledHeader(tmp_path)
    clang.make([])
    assert clang.options() == []


# --- whole processes -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published():
    """Compute as_published's values, compiled as Theano does it."""
    return ten_steps(TheanoBackend())


def numbers(answer):
    return {name: answer[name] for name in ("losses", "evaluation")}


def shared_objects(cache):
    return sorted(cache.glob("compiledir_*/tmp*/*.so"))


@pytest.fixture(scope="module")
def at_once(cold):
    """Two processes at once, to whose cache the same modules are missing: (the cache, the modules, their answers)."""
    cache = cold[0]
    missing = sorted(shared_objects(cache), key=lambda path: path.stat().st_size)[:4]  # those sooner compiled
    for name in ("lazylinker_ext", "cutils_ext"):  # Theano loads these early
        missing += cache.glob(f"compiledir_*/{name}/{name}.so")
    for path in missing:
        shutil.rmtree(path.parent)
    answers = [finish(process) for process in [start(cache), start(cache)]]
    return cache, {path.stem for path in missing}, answers


@pytest.mark.slow
def test_a_cold_process_computes_exactly_what_as_published_computes(cold, published):
    assert numbers(cold[1]) == published


@pytest.mark.slow
def test_two_processes_at_once_compile_what_is_missing_and_compute_the_same(at_once, published):
    _, missing, answers = at_once
    assert [numbers(answer) for answer in answers] == [published, published]
    assert len(missing) > 5 and missing - {"lazylinker_ext"} <= {name for one in answers for name in one["compiled"]}


@pytest.mark.slow
def test_no_module_was_kept_twice(at_once):
    names = [path.name for path in shared_objects(at_once[0])]
    assert len(names) > 20 and len(names) == len(set(names))


def truncate(path):
    """Cut off the code itself: loading or running the rest would end the process with a bus error."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])


@pytest.mark.slow
def test_a_truncated_module_and_a_garbage_key_are_compiled_again_and_then_nothing_is(cold, published):
    cache = cold[0]
    truncated, keyless, *_ = shared_objects(cache)
    truncate(truncated)
    (keyless.parent / "key.pkl").write_bytes(b"\x80\x04garbage")
    for name in ("lazylinker_ext", "cutils_ext"):  # Theano loads these early
        (path,) = cache.glob(f"compiledir_*/{name}/{name}.so")
        truncate(path)
    answer = finish(start(cache))
    assert numbers(answer) == published
    assert {truncated.stem, keyless.stem, "cutils_ext"} <= set(answer["compiled"])
    warm = finish(start(cache))
    assert warm["compiled"] == []
    assert numbers(warm) == published
