"""The digest of executed code: equal for equal code, whoever imported it, and different for different code."""

import fresh
import pytest

from bench.measure.code import NOT_MEASURED, PACKAGE, code_digest, essence

STEP = '"""Train."""\n\ndef step(x):\n    """Double it."""\n    return 2 * x  # twice\n'


@pytest.fixture
def package(tmp_path):
    files = {"__init__.py": "", "training.py": STEP, "fast/__init__.py": "", "fast/team.h": "int a;\n"}
    for name, text in files.items():
        path = tmp_path / "mlp" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "mlp"


@pytest.mark.parametrize(
    ("file", "text", "is_other"),
    [
        ("training.py", STEP.replace("twice", "two times"), False),
        ("training.py", STEP.replace("Double it.", "Multiply."), False),
        ("training.py", "\n" + STEP.replace("\n\n", "\n\n\n"), False),
        ("training.py", STEP.replace("2 * x", "3 * x"), True),
        ("training.py", STEP.replace("2 * x", '"# 2"'), True),
        ("fast/team.h", "/* of threads */ int a;  // one\n", False),
        ("fast/team.h", "int b;\n", True),
        ("download.py", "import socket\n", False),
        ("README.md", "text\n", False),
    ],
)
def test_only_code_changes_the_digest(package, file, text, is_other):
    before = code_digest(["mlp.training", "mlp.fast"], package)
    (package / file).write_text(text)
    assert (code_digest(["mlp.training", "mlp.fast"], package) != before) is is_other


def test_code_that_was_not_imported_does_not_count(package):
    before = code_digest(["mlp.training", "numpy", "mlpack.fast"], package)
    assert before != code_digest(["mlp.training", "mlp.fast"], package)
    (package / "fast" / "team.h").write_text("int b;\n")
    assert code_digest(["mlp.training"], package) == before


def test_a_string_with_a_hash_mark_is_no_comment(tmp_path):
    (tmp_path / "a.py").write_text('x = "# no"  # yes\n')
    assert essence(tmp_path / "a.py") == 'x = "# no"'


def test_files_that_do_not_count_exist():
    assert all((PACKAGE / name).is_file() for name in NOT_MEASURED)


def test_variants_differ_and_harnesses_do_not():
    """As in fresh processes: as_published alone, tuned, and as_published with more modules imported later."""
    told = "from bench.measure.code import code_digest; print(code_digest())"
    digests = [
        fresh.printed(f"import {modules}; {told}")
        for modules in (
            "mlp.backends.theano",
            "mlp.backends.theano.tuned.backend",
            "mlp.backends.theano, mlp.backends.theano.clock, mlp.inflate",
        )
    ]
    assert digests[0] == digests[2] != digests[1]
