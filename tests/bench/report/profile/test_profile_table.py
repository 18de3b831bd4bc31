from dataclasses import replace

from example_profile import TUNED, recorded

from bench.records.profile import CompilePhase, Operation
from bench.report.profile.sections import MOST_ROWS, SKIPPED_ZEROS, sections
from bench.units import MISSING


def section(profile, title):
    return next(one for one in sections(profile) if one.title == title)


def with_phases(*phases):
    return replace(recorded(TUNED), compile_phases=phases)


def test_compile_phases_stand_below_what_contains_them_cold_beside_warm():
    compilation = section(
        with_phases(
            CompilePhase("import", 1.0, "cold"),
            CompilePhase("compile", 4.0, "cold"),
            CompilePhase("compile/link", 3.0, "cold"),
            CompilePhase("import", 0.5, "warm"),
            CompilePhase("compile", 0.5, "warm"),
            CompilePhase("compile/link", 0.25, "warm"),
            CompilePhase("compile/cache", 0.125, "warm"),
        ),
        "Compilation",
    )
    assert compilation.headers == ["phase", "cold cache", "warm cache"]
    assert compilation.cells == [
        ["import", "1.00 s", "500 ms"],
        ["compile", "4.00 s", "500 ms"],
        ["· link", "3.00 s", "250 ms"],
        ["· cache", MISSING, "125 ms"],
        ["all", "5.00 s", "1.00 s"],
    ]


def test_phases_below_a_hundredth_of_the_whole_are_left_out():
    compilation = section(with_phases(CompilePhase("a", 1.0, None), CompilePhase("b", 0.009, None)), "Compilation")
    assert [row[0] for row in compilation.cells] == ["a", "all"]


def test_a_table_ends_in_one_row_for_all_that_is_small():
    profile = recorded(TUNED)
    small = tuple(Operation("train_step", f"small {number}", "elementwise", 1, 1e-9) for number in range(50))
    step = section(replace(profile, operations=(*profile.operations, *small)), "A training step")
    assert len(step.cells) == MOST_ROWS + 1
    shown = len(profile.of("train_step"))
    assert step.cells[-1][0] == f"{shown + 50 - MOST_ROWS} more operations"


def test_rates_of_products_that_skip_zeros_are_explained():
    profile = recorded(TUNED)
    first, *others = profile.operations
    skipping = replace(profile, operations=(replace(first, details={**first.details, "skips_zeros": True}), *others))
    assert SKIPPED_ZEROS in section(skipping, "A training step").sentences
    assert SKIPPED_ZEROS not in section(profile, "A training step").sentences


def test_what_is_missing_is_the_last_section():
    profile = replace(recorded(TUNED), problems=("perf is not installed.",), complete=False)
    assert sections(profile)[-1].sentences == ["perf is not installed."]
