"""A finder in ``sys.meta_path``: Theano is prepared by its first import, at any place in a program.

``import mlp`` adds it.  It looks at the name ``theano`` alone and imports nothing before that.
"""

from __future__ import annotations

import sys

DEVICE = "mlp_device"  # attribute of the ``__spec__`` of a prepared Theano; None until its code is executed


class TheanoFinder:
    """Finder of Theano that leaves finding to those behind it, and puts ``execute_prepared`` around its code."""

    name = "theano"

    def find_spec(self, fullname: str, path=None, target=None):
        if fullname != self.name:
            return None
        for finder in sys.meta_path:
            find = None if getattr(finder, "name", None) == self.name else getattr(finder, "find_spec", None)
            spec = find(fullname, path, target) if find else None
            if spec is not None:
                setattr(spec, DEVICE, device_of(target))
                if target is None and hasattr(spec.loader, "exec_module"):  # with a target it is a reload
                    spec.loader.exec_module = _prepared(spec.loader.exec_module)
                return spec
        return None


def device_of(module) -> str | None:
    """Return the device for which the ``module`` theano was prepared."""
    return getattr(getattr(module, "__spec__", None), DEVICE, None)


def add() -> None:
    """Put the finder first, once; raise ImportError if Theano was imported without it."""
    module = sys.modules.get("theano")
    if module is not None and not hasattr(getattr(module, "__spec__", None), DEVICE):
        raise ImportError(
            "theano was imported before mlp, which prepares it for this Python and NumPy: import mlp first, in a new "
            "process."
        )
    if not any(getattr(finder, "name", None) == TheanoFinder.name for finder in sys.meta_path):
        sys.meta_path.insert(0, TheanoFinder())


def _prepared(execute):
    def exec_module(module) -> None:
        from mlp.theano_compat import execute_prepared

        execute_prepared(module, execute)

    return exec_module
