"""The prose of docstrings, comments and messages is plain technical English."""

import ast
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(PROJECT / "bench").rglob("*.py"), *(PROJECT / "mlp").rglob("*.py")])
RELATIVE = re.compile(r"(What|Who|Whose|Whether|How|Where|When|Which|Why)(ever)?\b")
PERSON = re.compile(r"\b(nobody|somebody|whoever|anybody|whatever)\b", re.IGNORECASE)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def test_no_docstring_begins_with_a_free_relative_clause():
    found = [
        f"{path.relative_to(PROJECT)}:{getattr(node, 'lineno', 1)}: {text.splitlines()[0]}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)) and RELATIVE.match(text)
    ]
    assert found == [], "\n".join(found)


def test_no_indefinite_person_is_named():
    texts = [*SOURCES, *(PROJECT / "mlp").rglob("*.h"), PROJECT / "README.md", PROJECT / "results" / "README.md"]
    found = [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()}"
        for path in texts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if PERSON.search(line)
    ]
    assert found == [], "\n".join(found)
