"""Entry of a backend: every command of mlp-bench reads it, so it imports no framework."""

from mlp.registry import BackendEntry

ENTRY = BackendEntry(
    name="backend_template",
    implementation="backend_template.backend:TemplateBackend",
    packages=("numpy",),  # on which its speed depends; their versions are recorded
    install="pip install numpy",
    uses_blas=True,  # its products are NumPy's; False for a framework with its own
    # thread_variables=("MY_NUM_THREADS",), cache_variables={"MY_CACHE": "{cache}/mine"}: see docs/backends.md
)
