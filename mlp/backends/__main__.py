"""``python -m mlp.backends NAME VARIANT DEVICE``: availability of one backend as a line of JSON, for ``probe``."""

from __future__ import annotations

import json
import sys

from mlp.backends import load

name, variant, device = sys.argv[1:]
print(json.dumps(vars(load(name).availability(device, variant))))
