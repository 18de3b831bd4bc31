"""``python -m bench export``: a run in the format of another tool."""

from __future__ import annotations

from pathlib import Path

import click

from bench import cli
from bench.cli import candidates
from bench.errors import BenchError
from bench.records import files


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=candidates.run_ids)
@click.option("--format", "name", required=True, help="One of those below.", shell_complete=candidates.formats)
@click.option(
    "--output",
    type=cli.PATH,
    default=None,
    help="File or folder to write; '-' is stdout, the default of single files.",
)
@click.option("--runs-dir", type=cli.PATH, default=cli.RUNS, show_default=True, help="Folder of the runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the written files as JSON; needs --output.")
@cli.one_sentence
def export(run_id: str | None, name: str, output: Path | None, runs_dir: Path, as_json: bool) -> None:
    """Write RUN (a run's id or folder, or a committed record; default: the latest run) for another tool.

    \b
    Formats in a single file:
      pytest-benchmark         pytest-benchmark compare reads it
      pyperf                   pyperf compare_to reads it
      hyperfine                hyperfine's scripts read it
      github-action-benchmark  its tool customSmallerIsBetter
      bencher                  Bencher Metric Format
      chrome-trace             Perfetto and chrome://tracing show it
    Formats that are a folder, named with --output:
      asv                      results of airspeed velocity
      mlperf                   a result_N.txt of :::MLLOG lines for each reference run
      parquet                  a file for each pandas frame

    \b
    Examples:
      python -m bench export --format pyperf --output run.json
      python -m bench export results/records/amd-epyc-2-cores/2026-11-24-7b3b1d4 --format bencher
      python -m bench export latest --format parquet --output frames

    \b
    Exit codes:
      0  it was written
      2  unknown run or format, the run has no data for it, or the output cannot be written
    """
    from bench.records.formats import FOLDERS, open_run, render, write_files
    from bench.records.run_folder import sources_of

    output = cli.STDOUT if output is None else output
    if as_json and output == cli.STDOUT:
        raise BenchError("--json says what was written to files: name one with --output.")
    is_folder = name in FOLDERS
    if is_folder and output == cli.STDOUT:
        raise BenchError(f"{name} is a folder of files: name one with --output.")
    path = cli.run_folder(run_id, runs_dir)
    if not is_folder:
        files.check({"--output": output}, sources_of(path))
    run = open_run(path)
    content = render(name, run)
    for sentence in run.left_out:
        cli.warn(sentence)
    if output == cli.STDOUT:
        cli.write(f"{content}\n")
        return
    written = [file.as_posix() for file in write_files(content, output)]
    if as_json:
        cli.write_json({"run_id": run.header.run_id, "format": name, "files": written, "left_out": run.left_out})
    else:
        cli.console.print(f"{name}: {output} ({len(written)} files)", markup=False, highlight=False)
