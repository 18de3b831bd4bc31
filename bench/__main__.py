import os
import sys
from pathlib import Path

# ``python -m`` puts the current directory first: only if it is this project may it hide installed packages.
if sys.path[0] == os.getcwd() and Path.cwd() != Path(__file__).resolve().parent.parent:
    del sys.path[0]

from bench.cli import COMPLETE_VARIABLE, main

main(prog_name="python -m bench", complete_var=COMPLETE_VARIABLE)
