"""Each rule on a profile that has its defect and on one that has not."""

from dataclasses import replace

import pytest
from example_ceilings import example_ceilings
from example_profile import (
    PUBLISHED,
    TUNED,
    gpu_profile,
    recorded,
    with_facts,
    with_host,
    with_operation,
    with_phases,
)

from bench.records.ceilings import Ceiling, Ceilings
from bench.records.profile import CompilePhase
from bench.report.profile.findings import RULES, findings


def rules_of(profile):
    return [finding.rule for finding in findings(profile)]


def the(rule, profile):
    (found,) = [finding for finding in findings(profile) if finding.rule == rule]
    return found


def clean():
    """The recorded profile of theano/tuned, in which no rule finds a defect."""
    return recorded(TUNED)


def test_the_recorded_tuned_step_has_no_defect():
    assert rules_of(clean()) == []


def test_there_are_as_many_rules_as_defects_and_each_says_fact_cause_and_next_step():
    assert len(RULES) == 13
    for finding in findings(recorded(PUBLISHED)):
        for sentence in (finding.fact, finding.cause, finding.remedy):
            assert sentence.endswith(".") and sentence[0] == sentence[0].upper()
        assert any(character.isdigit() for character in finding.fact)


def test_findings_come_by_what_they_cost():
    costs = [finding.seconds or 0 for finding in findings(recorded(PUBLISHED))]
    assert costs == sorted(costs, reverse=True) and len(costs) >= 3


# --- arithmetic -------------------------------------------------------------------------------------------------------


def test_theano_as_published_computes_the_three_weight_gradients_twice():
    profile = recorded(PUBLISHED)
    found = the("duplicated products", profile)
    assert found.fact.startswith("3 of 8 matrix products are computed more than once")
    assert "inputs.T @" in found.fact and "784 by 500 by 500, 2 times" in found.fact
    assert "Dot22Scalar" in found.cause
    repeated = [
        (one.details["product"], one.seconds)
        for one in profile.of("train_step")
        if one.kind == "gemm" and list(_products(profile)).count(one.details["product"]) == 2
    ]
    cheaper = {product: min(seconds for name, seconds in repeated if name == product) for product, _ in repeated}
    assert found.seconds == pytest.approx(sum(seconds for _, seconds in repeated) - sum(cheaper.values()))


def _products(profile):
    return (one.details["product"] for one in profile.of("train_step") if one.kind == "gemm")


def test_products_of_the_same_shape_of_other_arrays_are_no_duplicates():
    """At a batch of 500, W2's forward product and its gradient are both 500 by 500 by 300."""
    shapes = [tuple(one.details[name] for name in "mkn") for one in clean().of("train_step") if one.kind == "gemm"]
    assert len(set(shapes)) < len(shapes)
    assert "duplicated products" not in rules_of(clean())


def test_theanos_generator_takes_more_than_a_tenth_of_the_published_step():
    profile = recorded(PUBLISHED)
    found = the("dropout generator", profile)
    drawn = sum(one.seconds for one in profile.of("train_step") if one.kind == "rng")
    assert found.seconds == pytest.approx(drawn)
    assert "mrg_uniform" in found.fact and "single thread" in found.cause


@pytest.mark.parametrize(("share", "said"), [(0.09, False), (0.11, True)])
def test_a_generator_is_worth_a_word_from_a_tenth_of_the_step(share, said):
    whole = clean().timings["train_step"].median_profiled_seconds
    profile = with_operation(clean(), "threefry", "rng", share / (1 - share) * whole)
    assert ("dropout generator" in rules_of(profile)) is said


def test_how_fast_the_machine_can_draw_stands_beside_the_generator():
    profile = replace(recorded(PUBLISHED), ceilings=example_ceilings())
    assert "this machine can draw its 400,000 numbers in 400 µs" in the("dropout generator", profile).fact


def test_numpys_c_api_is_the_slow_blas():
    found = the("slow BLAS", with_facts(clean(), blas={"name": "NumPy's C API", "threads": None}))
    assert "GFLOP/s" in found.fact and "doctor" in found.remedy


def test_a_blas_is_slow_if_the_machine_can_do_four_times_as_much():
    products = [one for one in clean().of("train_step") if one.kind == "gemm" and one.flop > 1e7]
    rate = sum(one.flop for one in products) / sum(one.seconds for one in products)

    def at(ceiling):
        square = Ceiling("gemm_square", "host", 1.0, flop=ceiling)
        return replace(clean(), ceilings=Ceilings("cpu", 2, (square,)))

    assert "slow BLAS" in rules_of(at(4.1 * rate))
    assert "slow BLAS" not in rules_of(at(3.9 * rate))


# --- threads ----------------------------------------------------------------------------------------------------------


def test_one_thread_of_the_blas_on_two_cores():
    published = recorded(PUBLISHED)
    alone = with_facts(published, blas={"name": "SciPy's OpenBLAS", "threads": 1})
    assert "with 1 thread on 2 cores" in the("single-threaded BLAS", alone).fact
    assert "single-threaded BLAS" not in rules_of(published)
    assert "single-threaded BLAS" not in rules_of(replace(alone, threads=1))  # as it was asked for
    assert "single-threaded BLAS" not in rules_of(with_facts(clean(), blas={"threads": 1}))  # a team multiplies


def test_a_team_beside_a_blas_with_threads_fights_for_the_cores():
    """As theano/tuned without its optimization products, when it kept the team for everything else."""
    profile = with_operation(
        clean(), "Dot22(#0, W1)", "gemm", 1e-3, flop=1e6, bytes=1e6, details={"product": "#0 @ W1"}
    )
    profile = with_facts(profile, blas={"name": "SciPy's OpenBLAS", "threads": 2})
    profile = with_host(profile, threads=[{"thread": str(one), "cpu_percent": 60.0} for one in range(3)])
    found = the("fighting thread pools", profile)
    assert "2 pools want 4 threads on 2 cores" in found.fact
    idle = with_host(profile, threads=[{"thread": "a", "cpu_percent": 90.0}, {"thread": "b", "cpu_percent": 1.0}])
    assert "fighting thread pools" not in rules_of(idle)
    assert "fighting thread pools" not in rules_of(with_facts(profile, blas={"threads": 1}))


def test_more_threads_than_cores():
    assert "3 threads were requested, and 2 cores" in the("more threads than cores", replace(clean(), threads=3)).fact
    assert "more threads than cores" not in rules_of(replace(clean(), threads=2))


# --- memory -----------------------------------------------------------------------------------------------------------


def test_theano_as_published_allocates_its_intermediates_in_each_step():
    found = the("reallocated buffers", recorded(PUBLISHED))
    assert "MiB of intermediate results" in found.fact and "allow_gc" in found.remedy
    assert "reallocated buffers" not in rules_of(with_facts(recorded(PUBLISHED), frees_intermediates=False))


@pytest.mark.parametrize(("share", "said"), [(0.01, False), (0.03, True)])
def test_page_faults_are_a_storm_from_two_hundredths_of_the_step(share, said):
    whole = clean().timings["train_step"].median_profiled_seconds
    fault = Ceiling("page_fault", "host", 1e-6)
    profile = replace(clean(), ceilings=Ceilings("cpu", 2, (fault,)))
    profile = with_host(profile, page_faults_per_step=share * whole / 1e-6)
    assert ("page-fault storm" in rules_of(profile)) is said


def test_uncounted_page_faults_are_no_finding():
    assert "page-fault storm" not in rules_of(with_host(clean(), page_faults_per_step=None))


# --- devices ----------------------------------------------------------------------------------------------------------


def test_a_gpu_that_computes_all_the_time_has_no_defect():
    assert rules_of(gpu_profile()) == []


@pytest.mark.parametrize("name", ["Memcpy HtoD (Pageable -> Device)", "MemcpyD2H", "GpuFromHost", "HostFromGpu"])
def test_copies_between_host_and_device_in_each_step(name):
    profile = with_operation(gpu_profile(), name, "copy", 0.1e-3, bytes=1_572_864)
    found = the("host-device copies", profile)
    assert "1.50 MiB cross" in found.fact and found.seconds == pytest.approx(0.1e-3)


def test_copies_within_a_device_do_not_cross():
    assert rules_of(with_operation(gpu_profile(), "Memcpy DtoD (Device -> Device)", "copy", 1e-3, bytes=1e6)) == []


def test_a_gpu_waits_for_launches_from_a_quarter_of_the_step():
    waiting = with_operation(gpu_profile(), "between operations", "host", 0.5e-3, details={"op": "between operations"})
    launch = Ceiling("kernel_launch", "torch", 5e-6)
    waiting = replace(waiting, ceilings=Ceilings("cuda", 2, (launch,)))
    found = the("GPU waits for launches", waiting)
    assert "600 µs of a training step's 1.50 ms (40.0 %)" in found.fact
    assert "20 kernels, whose launches alone take 100 µs here" in found.fact


def test_on_a_cpu_there_is_no_launch_finding():
    waiting = with_operation(clean(), "between operations", "host", 1.0)
    assert "GPU waits for launches" not in rules_of(waiting)


@pytest.mark.parametrize("profile", [clean(), gpu_profile()], ids=["cpu", "cuda"])
def test_a_throttled_machine_is_named_with_the_reason(profile):
    hot = with_host(profile, throttled=True, throttle_reasons=["gpu sw power cap"])
    assert "gpu sw power cap" in the("throttling", hot).fact
    for cool in (False, None):
        assert "throttling" not in rules_of(with_host(profile, throttled=cool))


# --- compilation ------------------------------------------------------------------------------------------------------


def test_a_compile_directory_that_cannot_be_written():
    found = the("compile cache not writable", with_facts(clean(), compile_directory_writable=False))
    assert "base_compiledir" in found.remedy
    assert "compile cache not writable" not in rules_of(with_facts(clean(), compile_directory_writable=True))


def test_theano_as_published_runs_the_compiler_although_its_cache_is_warm():
    found = the("compile cache stays cold", recorded(PUBLISHED))
    assert found.fact.startswith("With a warm cache the compiler runs 7 times")


@pytest.mark.parametrize(("compiler_seconds", "said"), [(0.05, False), (0.2, True)])
def test_a_compiler_that_hardly_runs_is_not_worth_a_word(compiler_seconds, said):
    compiled = CompilePhase("compile", 1.0, "warm", 1)
    profile = with_phases(clean(), compiled, CompilePhase("compile/link/c_compiler", compiler_seconds, "warm", 2))
    assert ("compile cache stays cold" in rules_of(profile)) is said


def test_a_cold_compilation_is_allowed_to_compile():
    phases = [CompilePhase("compile", 20.0, "cold", 1), CompilePhase("compile/c_compiler", 19.0, "cold", 27)]
    assert "compile cache stays cold" not in rules_of(with_phases(clean(), *phases))


def test_an_interrupted_profile_is_judged_by_what_it_holds():
    empty = replace(clean(), operations=(), timings={}, compile_phases=(), complete=False)
    assert rules_of(empty) == []
