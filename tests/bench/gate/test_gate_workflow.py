"""The ready workflow: it can read only, knows no secret, and calls the gate with options that exist."""

import re
import shlex

from bench.cli.gate import gate
from bench.measure.worker import PROJECT

WORKFLOW = (PROJECT / ".github" / "workflows" / "bench-gate.yml").read_text()
MAKEFILE = (PROJECT / "Makefile").read_text()


def options(command):
    """Parse ``command`` as the gate would; raises click's errors for what it does not know."""
    arguments = shlex.split(re.split(r"bench gate|gate_exit_code\.py", command)[1])
    return gate.make_context("gate", arguments).params


def test_it_needs_no_write_token_and_no_secret():
    assert re.search(r"^permissions:\n  contents: read\n\S", WORKFLOW.replace("\n\n", "\n"), re.M)
    assert not re.search(r"secrets\.|: write|pull_request_target|GITHUB_TOKEN", WORKFLOW)
    assert "persist-credentials: false" in WORKFLOW


def test_a_pull_requests_text_never_becomes_shell():
    """Text of other people (titles, branch names) reaches the shell as a variable, never through an expression."""
    run = re.findall(r"run: (?:>-\n)?((?:.+\n)(?:          .+\n)*)", WORKFLOW)
    assert run and not any("${{" in command for command in run)


def test_its_command_is_one_that_the_gate_understands():
    (command,) = re.findall(r"run: >-\n((?:          .+\n)+)", WORKFLOW)
    chosen = options(" ".join(command.split()))
    assert (chosen["against"], chosen["undecided"]) == ("$AGAINST", "pass")


def test_make_gate_is_one_that_the_gate_understands():
    recipe = re.search(r"^gate check: .*\n((?:\t.+\n)+)", MAKEFILE, re.M)[1]
    given = {"AGAINST": "main", "BUDGET": "5m", "METRICS": "all", "UNDECIDED": "pass"}
    command = re.sub(
        r"\$\((?:if|foreach m,)\s*\$\((\w+)\),(--\w+) \$\((?:\w+|call quoted,\$\(\w+\))\)\)",
        lambda m: f"{m[2]} {given[m[1]]}",
        recipe,
    )
    chosen = options(command.replace("\\\n", " "))
    assert (chosen["against"], chosen["budget"], chosen["metrics"]) == ("main", "5m", ("all",))
