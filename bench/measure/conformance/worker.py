"""Process that checks one stack: ``python -m bench.measure.conformance.worker BACKEND VARIANT DEVICE RESULT``.

It appends a line of JSON to ``RESULT`` after each clause, so that a crash or a time limit loses only the rest.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.measure.conformance.judge import CLAUSES, judge
from bench.measure.conformance.stack import CheckedStack
from bench.measure.process import end_with_parent


def main(backend: str, variant: str, device: str, result: str) -> int:
    end_with_parent()
    stack = CheckedStack(backend, variant, device)
    with Path(result).open("a", encoding="utf-8") as file:
        for clause in CLAUSES:
            print(json.dumps(judge(clause, stack).to_json()), file=file, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
