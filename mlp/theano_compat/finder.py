"""Finder in ``sys.meta_path`` that prepares Theano at its first import, anywhere in a program.

``import mlp`` adds it.  It handles only the name ``theano`` and imports nothing before that.
"""

from __future__ import annotations

import sys

DEVICE = "mlp_device"  # attribute of the ``__spec__`` of a prepared Theano; None until its code is executed
asked_device: str | None = None  # by ``install``, for the import that follows


class TheanoFinder:
    """Finder of Theano that delegates to the finders behind it, and wraps its code in ``execute_prepared``."""

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
        from mlp.theano_compat.prepare import device_of_flags, execute_prepared

        device = asked_device or device_of_flags()
        setattr(module.__spec__, DEVICE, device)
        execute_prepared(module, execute, device, heard=asked_device is not None)

    return exec_module
