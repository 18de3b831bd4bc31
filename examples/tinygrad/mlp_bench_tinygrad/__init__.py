"""Entry of the backend ``tinygrad``."""

from mlp.registry import BackendEntry

ENTRY = BackendEntry(
    name="tinygrad",
    implementation="mlp_bench_tinygrad.backend:TinygradBackend",
    packages=("tinygrad",),
    install="pip install tinygrad; apt install clang",
    thread_variables=("NUM_CPU_THREADS",),
    cache_variables={"CACHEDB": "{cache}/tinygrad.db"},  # kernels, by their source
    cpu_variables={"DEV": "CPU"},
)
