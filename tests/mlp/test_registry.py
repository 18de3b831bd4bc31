"""Entries of the built-in backends, and plugins that are whole, broken or in conflict."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench.machine.fingerprint import PACKAGES
from bench.records.comparison_key import ON_BLAS, RUNS_ON
from mlp import backends, registry
from mlp.errors import BackendError

PROJECT = Path(__file__).resolve().parents[2]


def refusal(name):
    with pytest.raises(BackendError) as caught:
        backends.load(name)
    return str(caught.value)


def test_the_built_in_backends_declare_the_entry_points_that_a_plugin_would():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    declared = project["entry-points"][registry.GROUP]
    assert {name: registry.resolve(value, name) for name, value in declared.items()} == registry.BUILT_IN
    assert {name for name, one in registry.BUILT_IN.items() if one.optional} <= set(project["optional-dependencies"])
    for name, entry in registry.BUILT_IN.items():
        backend = backends.load(name)
        assert backend.name == entry.name == name
        assert entry.fastest_on_cpu in [variant.name for variant in backend.variants]


def test_the_reading_side_knows_the_packages_of_the_entries():
    for name, entry in registry.BUILT_IN.items():
        assert set(RUNS_ON[name]) - {"cuda"} == set(entry.packages)
        assert (name in ON_BLAS) == entry.uses_blas
        assert set(entry.packages) <= set(PACKAGES)


def test_a_plugin_is_a_backend_like_any_other(plugin):
    plugin("fake")
    assert registry.names() == (*registry.BUILT_IN, "fake")
    assert backends.load("fake").name == "fake"
    assert isinstance(backends.available()["fake"], backends.Available)
    assert [one.label for one, _ in registry.imported_plugins()] == ["backend fake of fake-plugin 1.0"]


def test_a_broken_plugin_is_one_sentence_and_leaves_the_others(plugin):
    plugin("fake", source="import not_installed\n")
    assert refusal("fake") == (
        "backend fake of fake-plugin 1.0: fake_plugin:ENTRY cannot be imported (ModuleNotFoundError: No module named "
        "'not_installed')."
    )
    answers = backends.available()
    assert "not_installed" in answers["fake"].reason and isinstance(answers["numpy"], backends.Available)


def test_a_plugin_that_exits_when_imported_is_refused_and_prints_on_stderr(plugin, capsys):
    plugin("fake", source="print('hello')\nraise SystemExit('no accelerator')\n")
    assert refusal("fake").endswith("fake_plugin:ENTRY cannot be imported (SystemExit: no accelerator).")
    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise OSError('no such device')", "raised OSError: no such device"),
        ("return True", "returned True"),
        ("return 'yes'", "returned 'yes'"),
    ],
)
def test_a_plugin_that_answers_wrongly_is_unavailable_and_leaves_the_others(plugin, body, said):
    plugin("fake", f"@classmethod\ndef availability(cls, device='cpu', variant=None):\n    {body}")
    answers = backends.available()
    assert answers["fake"].reason == f"Fake.availability() {said}" and answers["fake"].remedy
    assert isinstance(answers["numpy"], backends.Available)
    with pytest.raises(BackendError, match="cannot run on cpu"):
        backends.create("fake")


def test_a_built_in_backend_that_raises_is_a_mistake_of_ours(monkeypatch):
    def availability(device, variant):
        raise KeyError(device)

    monkeypatch.setattr(backends.load("numpy"), "availability", availability)
    with pytest.raises(KeyError):
        backends.probe("numpy")


IMPLEMENTATION = "from mlp.registry import BackendEntry\nENTRY = BackendEntry({name!r}, {value!r})\n{more}"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("ENTRY = 3", "is not an mlp.registry.BackendEntry"),
        (IMPLEMENTATION.format(name="other", value="fake_plugin:X", more=""), "declares the entry of 'other'"),
        (IMPLEMENTATION.format(name="fake", value="fake_plugin:X", more=""), "fake_plugin:X cannot be imported"),
        (IMPLEMENTATION.format(name="fake", value="fake_plugin:X", more="X = 1"), "is not a subclass of mlp.backends"),
        (
            "from mlp.backends import Backend\n"
            + IMPLEMENTATION.format(name="fake", value="fake_plugin:X", more="class X(Backend): name = 'fake'"),
            "X misses the methods availability, build, compile, evaluate, parameters, probabilities, set_parameters",
        ),
        (
            "from mlp.backends.numpy import NumpyBackend\n"
            + IMPLEMENTATION.format(name="fake", value="fake_plugin:X", more="X = NumpyBackend"),
            "NumpyBackend.name is 'numpy', and its entry's 'fake'",
        ),
    ],
)
def test_an_entry_that_declares_something_else_is_one_sentence(plugin, source, sentence):
    plugin("fake", source=source)
    assert sentence in refusal("fake")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("packages", "'numpy'"),
        ("thread_variables", "('OMP_NUM_THREADS')"),
        ("thread_variables", "(4,)"),
        ("variables", "{'LEVEL': 3}"),
        ("cpu_variables", "('DEV', 'CPU')"),
        ("cache_variables", "None"),
    ],
)
def test_a_field_of_another_type_is_one_sentence(plugin, field, value):
    source = f"from mlp.registry import BackendEntry\nENTRY = BackendEntry('fake', 'fake_plugin:X', {field}={value})"
    plugin("fake", source=source)
    assert f"backend fake of fake-plugin 1.0: {field} of its entry is {eval(value)!r}" in refusal("fake")


def test_an_implementation_that_is_no_text_is_one_sentence(plugin):
    plugin("fake", source="from mlp.registry import BackendEntry\nENTRY = BackendEntry('fake', BackendEntry)")
    assert "implementation of its entry is <class" in refusal("fake")


def test_variants_are_checked(plugin):
    plugin("fake", "variants = ('fast',)")
    assert "Fake.variants is not a tuple of mlp.backends.Variant" in refusal("fake")


def test_two_plugins_of_one_name_are_both_refused(plugin):
    plugin("fake")
    plugin("fake", distribution="other-fake")
    declared = "backend fake is declared by fake-plugin 1.0 and other-fake 1.0"
    assert refusal("fake") == f"{declared}: uninstall all but one of them."


def test_a_plugin_never_replaces_a_built_in_backend(plugin):
    plugin("numpy")
    assert backends.load("numpy").__module__ == "mlp.backends.numpy"
    (sentence,) = registry.claimed_names()
    assert sentence.startswith("backend numpy of numpy-plugin 1.0 is not used: numpy is built in.")


def test_importing_the_package_searches_no_entry_points():
    code = "import sys, mlp, mlp.registry; mlp.registry.entry('jax'); print('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
