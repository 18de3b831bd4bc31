"""Files of the board's site, and the folder that they are written into.

A folder is a board if it has the file ``MARKER``, which lists the files that the board wrote.  Only those are replaced
or deleted: a foreign file is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.document.html import to_html
from bench.errors import RecordError
from bench.records import files
from bench.records.json_file import read_json
from bench.records.run_folder import as_json
from bench.report.board import tables
from bench.report.board.board import Board
from bench.report.board.machine_page import machine_page
from bench.report.board.machines import BoardMachine
from bench.report.board.pages import left_out_page, ranking_pages
from bench.report.board.rows import BoardRow
from bench.report.board.side_by_side import side_by_side_page

MARKER = "mlp-bench-board.json"
BOARD_SCHEMA_VERSION = 1
REMEDY = "free space, or name another folder with --output"

Files = dict[str, str]  # path relative to the site's folder -> content


def site_files(board: Board) -> Files:
    rows: dict[str, list[BoardRow]] = {machine.address: [] for machine in board.machines}
    for row in board.rows:
        rows[row.runs.machine.address].append(row)
    found = {name: to_html(page) for name, page in ranking_pages(board).items()}
    found |= _data("ranking", board, {"rows": [tables.ranking_row(row) for row in board.rows]})
    found |= _data("machines", board, {"machines": [tables.machine_row(machine) for machine in board.machines]})
    found["side-by-side.html"] = to_html(side_by_side_page(board, rows))
    if board.left_out:
        found["left-out.html"] = to_html(left_out_page(board))
        found |= _data("left-out", board, {"left_out": [one._asdict() for one in board.left_out]})
    for machine in board.machines:
        own = _machine_files(board, machine, rows[machine.address])
        found |= {f"machines/{machine.address}/{name}": content for name, content in own.items()}
    return found


def _data(name: str, board: Board, content: Mapping[str, list[tables.Row]]) -> Files:
    """Return a view's data as CSV and as JSON."""
    (rows,) = content.values()
    return {f"{name}.csv": tables.to_csv(rows), f"{name}.json": as_json({**_about(board), **content})}


def _about(board: Board) -> dict[str, Any]:
    return {
        "board_schema_version": BOARD_SCHEMA_VERSION,
        "built": board.built.isoformat(),
        "oldest_started_at": board.records[0].started_at,
        "newest_started_at": board.records[-1].started_at,
        "num_records": len(board.records),
        "num_machines": len(board.machines),
        "num_left_out": len(board.left_out),
    }


def _machine_files(board: Board, machine: BoardMachine, rows: Sequence[BoardRow]) -> Files:
    views = {
        "stacks": [tables.ranking_row(row) for row in rows],
        "phases": tables.phase_rows(rows),
        "runs": tables.run_rows(machine),
        "history": tables.history_rows(rows),
        "ceilings": tables.ceiling_data(machine),
        **tables.scaling_data(machine),
    }
    about = {**_about(board), **tables.machine_row(machine), "facts": dict(machine.newest.machine)}
    found = {f"{name}.csv": tables.to_csv(view) for name, view in views.items() if view}
    found["machine.json"] = as_json({**about, **views})
    found["index.html"] = to_html(machine_page(board, machine, rows))
    return found


def check_folder(folder: Path) -> set[str]:
    """Return the files that an earlier board wrote into ``folder``; empty for a new or empty one.

    Raises
    ------
    RecordError
        If it is a file, holds other files and no board, or its marker is damaged.
    """
    remedy = "name a new or empty folder, or that of a board, with --output"
    try:
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return set()
        if not folder.is_dir():
            raise RecordError(f"{folder} is a file, not a folder: {remedy}.")
        written = read_json(folder / MARKER)["files"]
        if not isinstance(written, list) or not all(isinstance(name, str) and _is_inside(name) for name in written):
            raise ValueError("it lists a file that is not of a board")
        return set(written)
    except FileNotFoundError:
        raise RecordError(f"{folder} is neither empty nor a board, and nothing in it was changed: {remedy}.") from None
    except OSError as error:
        raise RecordError(f"{folder} cannot be read ({error.strerror}): {remedy}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise RecordError(f"{folder / MARKER} is damaged ({error}): delete that folder, or {remedy}.") from error


def _is_inside(name: str) -> bool:
    """Return whether ``name`` is a path that a board writes: relative, and not upwards."""
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts and name != ""


def write_site(folder: Path, content: Files) -> None:
    """Write the files into ``folder``, and delete those of an earlier board that the new one lacks.

    Raises
    ------
    RecordError
        As ``check_folder``, if a foreign file has the name of one of the board's, or a file cannot be written.
    """
    before = check_folder(folder)
    for name in sorted(content.keys() - before):
        if (folder / name).exists():
            raise RecordError(
                f"{folder / name} is not of the board in {folder}, and the new board has a file of that name: move it."
            )
    _write_marker(folder, before | content.keys())  # first, so that an interrupted board is still one
    for name, text in content.items():
        files.write_with_folders(folder / name, text, REMEDY)
    for name in before - content.keys():
        (folder / name).unlink(missing_ok=True)
        _remove_if_empty((folder / name).parent, folder)
    _write_marker(folder, set(content))


def _write_marker(folder: Path, names: set[str]) -> None:
    marker = as_json({"board_schema_version": BOARD_SCHEMA_VERSION, "files": sorted(names)})
    files.write_with_folders(folder / MARKER, marker, REMEDY)


def _remove_if_empty(folder: Path, site: Path) -> None:
    while folder != site and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
