"""Entry of the backend ``keras``."""

from mlp.registry import BackendEntry

ENTRY = BackendEntry(
    name="keras",
    implementation="mlp_bench_keras.backend:KerasBackend",
    packages=("keras", "jax", "jaxlib", "torch", "tensorflow"),
    install="pip install keras",
    thread_variables=("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    cache_variables={"KERAS_HOME": "{cache}/keras"},  # else ~/.keras/keras.json would decide
    variables={"TF_CPP_MIN_LOG_LEVEL": "3"},
    cpu_variables={"CUDA_VISIBLE_DEVICES": ""},  # Keras on PyTorch would take the first GPU
)
