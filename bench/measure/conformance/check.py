"""Check of a stack in a process of its own, with the environment of a measured one and a time limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from bench.measure.case import Case, Stack
from bench.measure.conformance.judge import CLAUSES, ClauseResult, ClauseState
from bench.measure.environment import build, hint
from bench.measure.process import run_to_end, why_ended
from bench.measure.scratch import scratch_folder, temporary_files_in
from bench.records.header import Conformance
from mlp import backends, registry
from mlp.backends import Unavailable
from mlp.errors import BackendError

LIMIT_SECONDS = 600.0
CLAUSE_SHARE = 0.25  # of the limit, for one clause: a slow one leaves time for the others


@dataclass(frozen=True)
class StackCheck:
    """Results of all clauses for a stack."""

    stack: Stack
    results: tuple[ClauseResult, ...]

    @property
    def failed(self) -> list[ClauseResult]:
        return [one for one in self.results if not one.passes]

    @property
    def conforms(self) -> bool:
        return not self.failed

    @property
    def reason(self) -> str | None:
        """The first clause that does not hold, and the number of the others; None if the stack conforms."""
        if self.conforms:
            return None
        first, *others = self.failed
        state = "" if first.state is ClauseState.VIOLATED else f" ({first.state})"
        cause = f", likely because {first.cause}" if first.cause else ""
        more = f"; and {len(others)} more clause{'s' * (len(others) > 1)}" if others else ""
        return f"{first.title}{state}: {first.detail}{cause}{more}"

    def to_json(self) -> dict[str, Any]:
        """Return the results, with the distribution of a plugin."""
        plugin = registry.plugin_of(self.stack.backend)
        return {
            "backend": self.stack.backend,
            "variant": self.stack.variant,
            "device": self.stack.device,
            "plugin": None if plugin is None else asdict(plugin),
            "conforms": self.conforms,
            "clauses": [asdict(one) for one in self.results],
        }


def stacks_to_check(backend: str, variants: Iterable[str], device: str) -> list[Stack]:
    """Return the variants of ``backend`` (default: all) that can run on ``device``.

    Raises
    ------
    BackendError
        If a name is unknown, a named variant cannot run on the device, or none can.
    """
    backends.check_device(device)
    declared = backends.load(backend)
    named = [declared.variant_named(name) for name in variants]
    found, refused = [], []
    for variant in named or declared.variants:
        answer = backends.probe(backend, variant.name, device)
        if isinstance(answer, Unavailable):
            refused.append(f"{variant.name}: {answer.reason}. {answer.remedy}")
        else:
            found.append(Stack(backend, variant.name, device, variant.precision, variant.caches_code))
    if refused and (named or not found):
        raise BackendError(f"{backend} cannot be checked on {device}: {' '.join(dict.fromkeys(refused))}")
    return found


def check(
    stack: Stack,
    threads: int,
    passed: Mapping[str, str] | None = None,
    limit_seconds: float = LIMIT_SECONDS,
    python: Path | None = None,
) -> StackCheck:
    """Check all clauses; those after a crash or the time limit are not judged, with the reason.

    A clause may take a quarter of ``limit_seconds``, after which the next one is judged.
    ``python`` is the interpreter; default: that of the backend.
    """
    python = python or backends.load(stack.backend).interpreter(stack.device)
    case = Case("epoch", stack.backend, stack.variant, stack.device, threads, dataset="")
    with scratch_folder() as folder:
        result = folder / "clauses.jsonl"
        names = (stack.backend, stack.variant, stack.device, str(result), f"{limit_seconds * CLAUSE_SHARE:g}")
        argv = [str(python), "-m", "bench.measure.conformance.worker", *names]
        variables = build(case, folder / "cache", passed) | temporary_files_in(folder)
        ended = run_to_end(argv, variables, limit_seconds, folder)
        found = _read(result)
        if len(found) == len(CLAUSES):
            return StackCheck(stack, found)
        reason = ended.cut_short or hint(why_ended(ended.exit_code, ended.text), variables)
    missing = [clause for clause in CLAUSES if clause.name not in {one.clause for one in found}]
    first, *rest = (ClauseResult(one.name, one.title, ClauseState.NOT_JUDGED, reason) for one in missing)
    never = "the time ran out before it" if ended.cut_short else "an earlier clause ended the process"
    return StackCheck(stack, (*found, first, *(replace(one, detail=never) for one in rest)))


def _read(result: Path) -> tuple[ClauseResult, ...]:
    try:
        return tuple(msgspec.json.Decoder(ClauseResult).decode_lines(result.read_bytes()))
    except (OSError, ValueError):  # it ended before the first clause, or in a line
        return ()


def check_plugins(
    stacks: Iterable[Stack],
    threads: int,
    passed: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> tuple[Conformance, ...]:
    """Check the stacks of plugins among ``stacks``, for the record of a run; the built-in ones are tested.

    Nothing is remembered from one run to the next: the source of a plugin in development changes without its version.
    ``tell`` gets a sentence before each check, which takes from seconds to minutes.
    """
    found = []
    for stack in (one for one in stacks if registry.is_plugin(one.backend)):
        tell(f"checking if {stack.label} conforms, before anything is measured")
        found.append(Conformance(stack.backend, stack.variant, stack.device, check(stack, threads, passed).reason))
    return tuple(found)
