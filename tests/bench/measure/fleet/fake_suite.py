"""Program in place of ``python -m bench run``: five processes of a recorded run; its host's name says what happens."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

MISHAPS = {"killed": signal.SIGKILL, "hanging": signal.SIGSTOP}


def write(path, content):
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(content))
    temporary.rename(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("recorded", type=Path)
    for name in ("--resume", "--runs-dir", "--data"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    recorded = json.loads(given.recorded.read_text())
    host = given.runs_dir.name
    folder = given.runs_dir / (given.resume or "20260102-030405-0123456")
    (folder / "replicates").mkdir(parents=True, exist_ok=True)
    write(folder / "run.json", {**recorded["header"], "status": "running"})
    for number, replicate in enumerate(recorded["replicates"], 1):
        path = folder / "replicates" / f"{number:04d}.json"
        if path.exists():
            continue
        if number == 3 and host in MISHAPS and not given.resume:
            time.sleep(1.5)  # until the first ones are sent
            os.kill(os.getppid(), MISHAPS[host])
            time.sleep(60 if host == "hanging" else 0)
            return 1
        if host == "full":
            replicate = {**replicate, "reason": "x" * 60_000}
        time.sleep(0.05)
        try:
            write(path, replicate)
        except OSError as error:
            print(f"error: cannot write {path.name} ({error.strerror}): free space.")
            return 2
    write(folder / "run.json", {**recorded["header"], "status": "complete"})
    return 0


sys.exit(main())
