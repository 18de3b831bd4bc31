"""Stand-ins for modules that are gone."""

from __future__ import annotations

import sys
import types
from typing import Any


def provide(name: str, **attributes: Any) -> None:
    """Make ``import name`` find a module made of ``attributes``, also as an attribute of its parent."""
    module = types.ModuleType(name, "stand-in made by mlp.theano_compat")
    vars(module).update(attributes)
    sys.modules[name] = module
    parent, _, leaf = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], leaf, module)
