"""The ready workflow and its action: they can only read, know no secret, and call the gate with options that exist."""

import os
import re
import shlex
import subprocess

import jsonschema
import pytest
import yaml

from bench.cli.gate import gate
from bench.measure.worker import PROJECT

WORKFLOW = (PROJECT / ".github" / "workflows" / "bench-gate.yml").read_text()
ACTION_FOLDER = PROJECT / ".github" / "actions" / "bench-gate"
ACTION = yaml.safe_load((ACTION_FOLDER / "action.yml").read_text())
STEPS = ACTION["runs"]["steps"]
MAKEFILE = (PROJECT / "Makefile").read_text()
# In place of programs: writes its name below the folder and its arguments into a file, and makes environments.
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in *"-m venv "*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python";; esac
"""

# After GitHub's "Metadata syntax for GitHub Actions", the part on composite actions.
TEXT = {"type": "string"}
NAMED = {"propertyNames": {"pattern": "^[_a-zA-Z][a-zA-Z0-9_-]*$"}, "type": "object"}
VALUES = {**NAMED, "additionalProperties": {"type": ["string", "number", "boolean"]}}
STEP = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("id", "if", "name", "uses", "run", "shell", "working-directory"), TEXT),
        "env": VALUES,
        "with": VALUES,
        "continue-on-error": {"type": ["boolean", "string"]},
    },
    "additionalProperties": False,
    "oneOf": [{"required": ["uses"]}, {"required": ["run", "shell"]}],
    "dependentRequired": {"with": ["uses"], "shell": ["run"], "working-directory": ["run"], "run": ["shell"]},
}
INPUT = {
    "type": "object",
    "properties": {"description": TEXT, "default": TEXT, "deprecationMessage": TEXT, "required": {"type": "boolean"}},
    "required": ["description"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("name", "author", "description"), TEXT),
        "inputs": {**NAMED, "additionalProperties": INPUT},
        "runs": {
            "type": "object",
            "properties": {"using": {"const": "composite"}, "steps": {"type": "array", "items": STEP, "minItems": 1}},
            "required": ["using", "steps"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "description", "runs"],
    "additionalProperties": False,
}


def options(command):
    """Parse ``command`` as the gate would; raises click's errors for what it does not know."""
    arguments = shlex.split(re.split(r"bench gate|gate_exit_code\.py", command)[1])
    return gate.make_context("gate", arguments).params


def test_it_needs_no_write_token_and_no_secret():
    assert re.search(r"^permissions:\n  contents: read\n\S", WORKFLOW.replace("\n\n", "\n"), re.M)
    assert not re.search(r"secrets\.|: write|pull_request_target|GITHUB_TOKEN", WORKFLOW + str(ACTION))
    assert "persist-credentials: false" in WORKFLOW


def test_a_pull_requests_text_never_becomes_shell():
    """Text of other people (titles, branch names) reaches the shell as a variable, never through an expression."""
    scripts = [step["run"] for step in STEPS if "run" in step]
    assert scripts and not any("${{" in script for script in scripts) and "run:" not in WORKFLOW


def test_the_workflow_gives_inputs_that_the_action_has():
    (step,) = [step for step in yaml.safe_load(WORKFLOW)["jobs"]["gate"]["steps"] if step["uses"].startswith("./")]
    assert (PROJECT / step["uses"] / "action.yml").samefile(ACTION_FOLDER / "action.yml")
    assert set(step["with"]) <= set(ACTION["inputs"])
    used = re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", (ACTION_FOLDER / "action.yml").read_text())
    assert set(used) == set(ACTION["inputs"])


def test_the_action_has_the_form_of_a_composite_action():
    jsonschema.validate(ACTION, SCHEMA)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("      shell: bash\n", ""),
        ("inputs:\n", "input:\n"),
        ('default: "3.12"', "default: 3.12"),
        ("    description: Variant of the backend\n", "    about: Variant of the backend\n"),
        ("using: composite", "using: node20"),
        ("- uses: actions/cache@v4", "- use: actions/cache@v4"),
    ],
)
def test_another_form_is_seen(before, after):
    text = (ACTION_FOLDER / "action.yml").read_text()
    assert before in text
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text.replace(before, after, 1)), SCHEMA)


@pytest.fixture
def calls(tmp_path):
    """``calls(**inputs)``: the lines that programs were called with when the steps of the action ran, offline."""

    def calls(**given):
        project, temporary = tmp_path / "project", tmp_path / "temporary"
        for folder in (project / ".venv" / "bin", project / ".github/actions/bench-gate", temporary, tmp_path / "bin"):
            folder.mkdir(parents=True)
        (project / "requirements.txt").write_text("Theano==1.0.5\nnumpy==2.4.6\n")
        for program in (project / ".venv/bin/python", tmp_path / "bin" / "make"):
            program.write_text(PROGRAM)
            program.chmod(0o755)
        inputs = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()}
        inputs |= {name.replace("_", "-"): value for name, value in given.items()}
        assert set(inputs) == set(ACTION["inputs"])
        environment = {
            "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "CALLS": str(tmp_path / "calls"),
            "GITHUB_ACTION_PATH": str(project / ".github/actions/bench-gate"),
            "GITHUB_ENV": str(tmp_path / "environment"),
            "RUNNER_TEMP": str(temporary),
        }
        for step in STEPS:
            if "run" not in step:
                continue
            if (tmp_path / "environment").exists():
                environment |= dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
            own = {name: inputs[value[len("${{ inputs.") : -len(" }}")]] for name, value in step["env"].items()}
            argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            subprocess.run(argv, cwd=tmp_path, env=environment | own, check=True, capture_output=True)
        lines = (tmp_path / "calls").read_text().replace(str(tmp_path), "TMP").splitlines()
        return lines, (temporary / "requirements.txt").read_text()

    return calls


def test_the_action_compares_a_revision_as_the_gate_understands(calls):
    lines, _ = calls(against="a; touch x")
    assert lines[0] == "make -C TMP/project .venv/installed" and len(lines) == 2
    chosen = options(lines[1].replace("a; touch x", "'a; touch x'"))
    assert (chosen["against"], chosen["undecided"], chosen["backend"]) == ("a; touch x", "pass", "theano")
    assert str(chosen["json_path"]) == "TMP/gate.json" or str(chosen["json_path"]).endswith("TMP/gate.json")


def test_the_action_makes_two_environments(calls):
    more = {"variant": "jax", "budget": "5m", "metrics": "load train_epoch"}
    two = {"environment_a": "keras==3.14.0 jax", "environment_b": "keras==3.15.1 jax"}
    lines, requirements = calls(backend="keras", plugin="./plugin", **two, **more)
    assert requirements == "numpy==2.4.6\n"  # Theano is not built in them
    installed = [line for line in lines if "pip install" in line]
    assert installed[0] == "python -m pip install ./plugin"
    assert [line.partition("requirements.txt ")[2] for line in installed[1:]] == [
        "./plugin keras==3.14.0 jax",
        "./plugin keras==3.15.1 jax",
    ]
    chosen = options(lines[-1])
    assert (chosen["backend"], chosen["variant"], chosen["metrics"]) == ("keras", "jax", ("load", "train_epoch"))
    assert [str(chosen[f"python_{side}"])[-12:] for side in "ab"] == ["bench-gate-a", "bench-gate-b"]


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
