"""``python -m mlp.backends NAME DEVICE VARIANT...``: {variant: availability} of a backend as JSON, for ``probe``."""

from __future__ import annotations

import json
import sys

from mlp.backends import load

name, device, *variants = sys.argv[1:]
print(json.dumps({variant: vars(load(name).availability(device, variant)) for variant in variants}))
