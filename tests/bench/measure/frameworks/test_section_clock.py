import threading

from fakes import FakeClock

from bench.measure.frameworks.section_clock import SectionClock, TimedFunction


class Compiler:
    """Stands in for a framework; each part of its work takes a known time."""

    def __init__(self, clock):
        self.clock = clock

    def link(self):
        self.clock.advance(1)
        self.compile("module")
        self.clock.advance(2)

    def compile(self, name):
        self.clock.advance(4)
        return name

    @staticmethod
    def static(value):
        return value


def watched_run(clock, work, *watched):
    sections = SectionClock(clock)
    with sections.watching(*watched):
        work(sections)
    return sections


def test_a_section_inside_another_has_its_path_and_both_are_inclusive():
    clock = FakeClock()
    sections = watched_run(
        clock,
        lambda _: Compiler(clock).link(),
        TimedFunction(Compiler, "link", "link"),
        TimedFunction(Compiler, "compile", "c_compiler"),
    )
    assert sections.seconds == {"link": 7, "link/c_compiler": 4}
    assert sections.calls == {"link": 1, "link/c_compiler": 1}


def test_a_section_that_calls_itself_counts_once():
    clock = FakeClock()
    sections = SectionClock(clock)
    with sections.section("optimise"):
        clock.advance(1)
        with sections.section("optimise"):
            clock.advance(2)
    assert sections.seconds == {"optimise": 3}


def test_an_exception_ends_the_section_and_goes_on():
    clock = FakeClock()
    sections = SectionClock(clock)
    try:
        with sections.section("link"):
            clock.advance(2)
            raise OSError
    except OSError:
        pass
    with sections.section("import"):
        pass
    assert sections.seconds == {"link": 2, "import": 0}


def test_what_other_threads_do_is_not_timed():
    clock = FakeClock()
    compiler = Compiler(clock)

    def in_another_thread(_):
        thread = threading.Thread(target=compiler.compile, args=("module",))
        thread.start()
        thread.join()

    sections = watched_run(clock, in_another_thread, TimedFunction(Compiler, "compile", "c_compiler"))
    assert sections.seconds == {}


def test_watched_functions_return_what_they_did_and_are_put_back():
    clock, original = FakeClock(), vars(Compiler)["static"]
    results = []
    watched_run(clock, lambda _: results.append(Compiler(clock).static(3)), TimedFunction(Compiler, "static", "static"))
    assert results == [3]
    assert vars(Compiler)["static"] is original


def test_phases_know_their_parents():
    clock = FakeClock()
    sections = SectionClock(clock)
    with sections.section("compile"), sections.section("link"):
        clock.advance(1)
    sections.add("compile/link/optimiser", 0.5, calls=3)
    compile_phase, link, optimiser = sections.phases("cold")
    assert (compile_phase.parent, link.parent, optimiser.parent) == (None, "compile", "compile/link")
    assert (optimiser.name, optimiser.calls, optimiser.cache) == ("optimiser", 3, "cold")
