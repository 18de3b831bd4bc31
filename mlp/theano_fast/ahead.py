"""Missing C modules are compiled side by side, ahead of the linker.

Theano's linker goes through the nodes of a function one by one, and runs g++ for each module that the cache lacks.
Here the first one that is missing starts g++ for all that the function lacks, as many at a time as there are cores;
the linker then finds each module ready, or waits for it, and does so before it locks the cache and not while it holds
the lock.  All else stays Theano's: keys, locking, and what is put into the cache, and when.  What cannot be compiled
here is left to Theano, which reports why.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlp.cores import allowed_cores
from mlp.patching import replaced
from mlp.theano_fast.workshop import Order, Workshop, order_of


@contextmanager
def compiling_ahead(workers: int | None = None) -> Iterator[None]:
    """Inside the block, ``workers`` compilers (default: one for each core) make a function's missing modules."""
    from theano.gof.cmodule import GCC_compiler

    with tempfile.TemporaryDirectory(prefix="mlp-compile-") as scratch:
        workshop = Workshop(GCC_compiler.compile_str, Path(scratch), workers or allowed_cores())
        try:
            with _modules_are_ordered_from(workshop), _modules_are_taken_from(workshop):
                yield
        finally:
            workshop.close()


@contextmanager
def _modules_are_ordered_from(workshop: Workshop) -> Iterator[None]:
    """A function's first missing module makes the linker order all of them; it waits for each when it needs it."""
    from theano.gof.cmodule import ModuleCache
    from theano.gof.vm import VM_Linker

    make_all, module_from_key = VM_Linker.make_all, ModuleCache.module_from_key
    being_linked: list[Any] = []  # the linker whose first missing module is still to come
    ordered: dict[Any, Order] = {}  # by the module's key

    def make_all_ahead(self: Any, *args: Any, **kwargs: Any) -> Any:
        being_linked[:] = [self]
        try:
            return make_all(self, *args, **kwargs)
        finally:
            being_linked.clear()

    def module_from_key_ahead(self: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        if being_linked and key not in self.entry_from_key:
            linker = being_linked.pop()
            ordered.update(missing_modules(linker.schedule(linker.fgraph), self))
            workshop.begin(ordered.values())
        if key in ordered:
            workshop.wait(ordered.pop(key))
        return module_from_key(self, key, *args, **kwargs)

    with (
        replaced(VM_Linker, "make_all", make_all_ahead),
        replaced(ModuleCache, "module_from_key", module_from_key_ahead),
    ):
        yield


@contextmanager
def _modules_are_taken_from(workshop: Workshop) -> Iterator[None]:
    """Where Theano runs g++, it is given the finished module, if there is one."""
    from theano.gof.cmodule import GCC_compiler

    compile_str = GCC_compiler.compile_str

    def take(module_name: str, src_code: str, location: str, **options: Any) -> Any:
        folder = workshop.collect(order_of(module_name, src_code, **options))
        if folder is None:
            return compile_str(module_name, src_code, location, **options)
        return _import_from(folder, Path(location), module_name)

    with replaced(GCC_compiler, "compile_str", staticmethod(take)):
        yield


def missing_modules(nodes: list[Any], cache: Any) -> dict[Any, Order]:
    """What Theano would compile for ``nodes``, by the module's key: the steps are those of ``Op.make_c_thunk`` and
    ``ModuleCache.module_from_key``, up to the compiler.  Nodes without C code have none."""
    from theano.gof.cc import CLinker
    from theano.gof.cmodule import get_module_hash
    from theano.gof.fg import FunctionGraph

    orders = {}
    for node in nodes:
        try:
            node.op.prepare_node(node, None, None, "c")
            linker = CLinker().accept(FunctionGraph(node.inputs, node.outputs))
            key = linker.cmodule_key()
            if key is None or key in cache.entry_from_key:
                continue
            module = linker.get_dynamic_module()
            source = module.code()
            if get_module_hash(source, key) in cache.module_hash_to_key_data:
                continue
            folders = {"include_dirs": linker.header_dirs(), "lib_dirs": linker.lib_dirs()}
            order = order_of(
                module.code_hash, source, libs=linker.libraries(), preargs=linker.compile_args(), **folders
            )
        except Exception:  # whatever it is, the linker meets it again at this node, and reports it there
            continue
        orders[key] = order
    return orders


def _import_from(folder: Path, location: Path, module_name: str) -> Any:
    """Move a finished module to where Theano wants it, and import it as Theano does."""
    from theano.gof.cmodule import dlimport, get_lib_extension

    for path in folder.iterdir():
        shutil.move(path, location / path.name)
    (location / "__init__.py").touch()
    return dlimport(str(location / f"{module_name}.{get_lib_extension()}"))
