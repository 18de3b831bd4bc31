"""Parallel compilation of missing C modules, ahead of the linker.

Theano's linker goes through the nodes of a function one by one, and runs g++ for each module missing in the cache.
Here the first missing module starts g++ for all missing ones of the function, one process per core; the linker then
finds each module ready, or waits for it before it locks the cache.  Keys, locking and the contents of the cache are
unchanged.  Failed compilations are repeated by Theano, which reports the reason.
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
from mlp.theano_fast.compile_pool import CompileJob, CompilePool, job_of


@contextmanager
def compiling_ahead(workers: int | None = None) -> Iterator[None]:
    """Compile missing modules of functions by ``workers`` compilers (default: one per core) inside the block."""
    from theano.gof.cmodule import GCC_compiler

    with tempfile.TemporaryDirectory(prefix="mlp-compile-") as scratch:
        pool = CompilePool(GCC_compiler.compile_str, Path(scratch), workers or allowed_cores())
        try:
            with _modules_are_ordered_from(pool), _modules_are_taken_from(pool):
                yield
        finally:
            pool.close()


@contextmanager
def _modules_are_ordered_from(pool: CompilePool) -> Iterator[None]:
    """Make the linker submit all missing modules of a function at the first one, and wait for each when needed."""
    from theano.gof.cmodule import ModuleCache
    from theano.gof.vm import VM_Linker

    make_all, module_from_key = VM_Linker.make_all, ModuleCache.module_from_key
    being_linked: list[Any] = []  # linker before its first missing module
    submitted: dict[Any, CompileJob] = {}  # by the module's key

    def make_all_ahead(self: Any, *args: Any, **kwargs: Any) -> Any:
        being_linked[:] = [self]
        try:
            return make_all(self, *args, **kwargs)
        finally:
            being_linked.clear()

    def module_from_key_ahead(self: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        if being_linked and key not in self.entry_from_key:
            linker = being_linked.pop()
            submitted.update(missing_modules(linker.schedule(linker.fgraph), self))
            pool.begin(submitted.values())
        if key in submitted:
            pool.wait(submitted.pop(key))
        return module_from_key(self, key, *args, **kwargs)

    with (
        replaced(VM_Linker, "make_all", make_all_ahead),
        replaced(ModuleCache, "module_from_key", module_from_key_ahead),
    ):
        yield


@contextmanager
def _modules_are_taken_from(pool: CompilePool) -> Iterator[None]:
    """Replace Theano's call of g++ by the finished module, if there is one."""
    from theano.gof.cmodule import GCC_compiler

    compile_str = GCC_compiler.compile_str

    def take(module_name: str, src_code: str, location: str, **options: Any) -> Any:
        folder = pool.collect(job_of(module_name, src_code, **options))
        if folder is None:
            return compile_str(module_name, src_code, location, **options)
        return _import_from(folder, Path(location), module_name)

    with replaced(GCC_compiler, "compile_str", staticmethod(take)):
        yield


def missing_modules(nodes: list[Any], cache: Any) -> dict[Any, CompileJob]:
    """Return {key: order} of the modules that Theano would compile for ``nodes``, by the steps of ``Op.make_c_thunk``
    and ``ModuleCache.module_from_key`` before the compiler; nodes without C code are skipped."""
    from theano.gof.cc import CLinker
    from theano.gof.cmodule import get_module_hash
    from theano.gof.fg import FunctionGraph

    jobs = {}
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
            job = job_of(module.code_hash, source, libs=linker.libraries(), preargs=linker.compile_args(), **folders)
        except Exception:  # the linker repeats and reports any error at this node
            continue
        jobs[key] = job
    return jobs


def _import_from(folder: Path, location: Path, module_name: str) -> Any:
    """Move a finished module to Theano's ``location``, and import it as Theano does."""
    from theano.gof.cmodule import dlimport, get_lib_extension

    for path in folder.iterdir():
        shutil.move(path, location / path.name)
    (location / "__init__.py").touch()
    return dlimport(str(location / f"{module_name}.{get_lib_extension()}"))
