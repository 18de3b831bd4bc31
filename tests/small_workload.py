"""A workload of a twentieth: imported, or as a plugin of pytest, where what is tested does not depend on the size."""

from mlp import dataset

_whole = dataset._assemble


def _assemble(directory, read):
    return dataset.Dataset(*(array[: len(array) // 20] for array in _whole(directory, read)))


dataset._assemble = _assemble
