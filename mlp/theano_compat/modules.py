"""Stand-ins for removed modules."""

from __future__ import annotations

import sys
import types
from typing import Any


def provide(name: str, **attributes: Any) -> None:
    """Register a module ``name`` with ``attributes``, also as an attribute of its parent."""
    module = types.ModuleType(name, "stand-in made by mlp.theano_compat")
    vars(module).update(attributes)
    sys.modules[name] = module
    parent, _, leaf = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], leaf, module)
