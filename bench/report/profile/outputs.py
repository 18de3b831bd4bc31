"""Output files of a profile beside ``profile.json``."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from bench.records import files
from bench.records.csv_cells import shielded
from bench.records.profile import Profile
from bench.records.profile_file import FILE_NAME, save
from bench.report.profile.findings import findings
from bench.report.profile.frames import frame
from bench.report.profile.roofline import write_roofline
from bench.report.profile.trace import write_trace


def write_outputs(profile: Profile, folder: Path) -> Profile:
    """Write ``profile.json`` and its derived files; return the profile with sentences on missing ones.

    Raises RecordError if a file cannot be written; earlier files are complete.
    """
    save(profile, folder / FILE_NAME)
    columns = ["rule", "seconds", "fact", "cause", "remedy"]
    found = pd.DataFrame([asdict(finding) for finding in findings(profile)], columns=columns)
    for name, table in (("operations", frame(profile)), ("findings", found)):
        files.write(folder / f"{name}.csv", shielded(table).to_csv(index=False), "profile.json is complete: make room")
    write_trace(profile, folder / "trace.json")
    problem = write_roofline(profile, folder / "roofline.svg")
    if problem is None:
        return profile
    profile = replace(profile, problems=(*profile.problems, problem))
    save(profile, folder / FILE_NAME)
    return profile
