import os
import sys
from pathlib import Path

try:
    here = os.getcwd()
except OSError:  # it was removed, as the command will say
    here = None
# ``python -m`` puts the current directory first; unless it is this project, it must not hide installed packages.
if here is not None and sys.path[0] == here and Path(here) != Path(__file__).resolve().parent.parent:
    del sys.path[0]

from bench.cli import COMPLETE_VARIABLE, main

main(prog_name="python -m bench", complete_var=COMPLETE_VARIABLE)
