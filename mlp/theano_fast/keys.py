"""Keys of compiled modules that are equal in every process.

Theano recompiles some modules in every process, because their keys are not reproducible:

* ``CLinker.cmodule_key_`` counts an Op's ``__props__`` among the versions of its C code, and takes an empty one (Dot22,
  DotModulo: all their instances are equal) for "no version", which means: never cache the module.
* ``COp.c_code_cache_version`` (DimShuffle) is ``hash()`` of the C code, which Python salts anew in every process.

The source of the modules and all reproducible keys are unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlp.patching import replaced


@contextmanager
def stable_keys() -> Iterator[None]:
    """Give every module whose Ops and types all have a version a reproducible key inside the block."""
    from theano.gof.cc import CLinker
    from theano.gof.op import COp

    key_of = CLinker.cmodule_key_
    salted_version = COp.c_code_cache_version

    def cmodule_key_(self: Any, fgraph: Any, *args: Any, **kwargs: Any) -> tuple[tuple, tuple] | None:
        key = key_of(self, fgraph, *args, **kwargs)
        if key is None or key[0]:
            return key
        versions = _versions(self.schedule(fgraph))
        return (versions if all(versions) else ()), key[1]

    def c_code_cache_version(self: Any) -> tuple:
        code = hashlib.sha256("\0".join(self.func_codes).encode()).hexdigest()
        return (code, *salted_version(self)[1:])

    with replaced(CLinker, "cmodule_key_", cmodule_key_), replaced(COp, "c_code_cache_version", c_code_cache_version):
        yield


def _versions(nodes: list[Any]) -> tuple:
    """Return the versions in a key, in Theano's order, without empty ``__props__``."""
    versions: list[Any] = []
    for node in nodes:
        versions.append(node.op.c_code_cache_version_apply(node))
        props = getattr(node.op, "__props__", ())
        if props:
            versions.append(props)
        versions += [variable.type.c_code_cache_version() for variable in (*node.inputs, *node.outputs)]
    return tuple(versions)
