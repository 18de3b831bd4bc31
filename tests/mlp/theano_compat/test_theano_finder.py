"""Theano is prepared by its first import after ``import mlp``, at any place in a program."""

import importlib
import json
import os
import sys
import types

import pytest
from fresh import printed, run_fresh

import mlp
from mlp.theano_compat import finder, prepare


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import mlp as flm\nfrom lasagne.layers import DenseLayer\nimport theano",
        "import importlib, sys, mlp, theano\nimportlib.reload(mlp)\nimport lasagne\n"
        "for name in [name for name in sys.modules if name.partition('.')[0] == 'mlp']:\n"
        "    del sys.modules[name]\nimport mlp.canonical",
        "import mlp, threading\ncodes = ['import theano', 'import lasagne', 'import mlp.canonical'] * 2\n"
        "threads = [threading.Thread(target=exec, args=(code,)) for code in codes]\n"
        "for thread in threads: thread.start()\nfor thread in threads: thread.join()",
    ],
)
def test_every_natural_order_of_imports_works_and_is_silent(code, theano, tmp_path):
    assert printed(code + "\nimport theano; print(theano.config.floatX)", folder=tmp_path) == "float32"


@pytest.mark.slow
def test_after_a_failed_import_of_theano_it_is_prepared_from_the_beginning(theano, tmp_path):
    failing = "import sys\nsys.modules['numpy'] = None\ntry:\n    import theano\nexcept ImportError:\n    pass\n"
    code = failing + "del sys.modules['numpy']\nimport mlp, lasagne; print('imported')"
    assert printed(code, folder=tmp_path) == "imported"


@pytest.mark.slow
def test_a_python_without_docstrings_is_refused_in_one_sentence(theano, tmp_path):
    done = run_fresh("import mlp, theano", folder=tmp_path, PYTHONOPTIMIZE="2")
    assert "BackendError: Theano needs docstrings: start Python without -OO" in done.stderr


@pytest.mark.slow
def test_a_device_in_the_users_flags_is_that_of_a_plain_import(theano, tmp_path):
    flags = os.environ["THEANO_FLAGS"].replace("device=cpu", "")
    code = "import mlp, theano; print(theano.config.device)"
    done = run_fresh(code, folder=tmp_path, THEANO_FLAGS=f"{flags},device=cuda0")
    assert done.stdout == "cuda0\n"
    assert "pygpu" in done.stderr  # Theano's own complaint, which nothing here hides


@pytest.mark.slow
def test_what_theano_imports_and_does_not_use_is_imported_when_it_is_used(theano, tmp_path):
    code = "import sys, mlp, theano; print({'scipy.stats', 'scipy.signal'} & set(sys.modules))\n"
    code += "from theano.scalar.basic_scipy import chi2sf; print(round(chi2sf.impl(1.0, 2.0), 6))\n"
    code += "import scipy.signal; print(*scipy.signal.convolve([1, 2], [3]))"
    assert printed(code, folder=tmp_path).split("\n") == ["set()", "0.606531", "3 6"]  # exp(-1/2)


def test_a_module_that_is_late_is_there_for_whoever_asks_and_leaves_nothing_behind(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with prepare.late("colorsys", "no_such_module", "json"):
        import colorsys

        assert sys.modules["json"] is json
        assert colorsys.rgb_to_hsv(0, 0, 1) == (2 / 3, 1, 1)
        assert "colorsys" in sys.modules and not hasattr(sys.modules["no_such_module"], "__path__")
    assert hasattr(sys.modules["colorsys"], "__file__") and "no_such_module" not in sys.modules


def test_theano_before_mlp_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "theano", types.ModuleType("theano"))
    with pytest.raises(ImportError, match=r"theano was imported before mlp.*: import mlp first, in a new process"):
        finder.add()


def test_the_finder_is_there_once_and_leaves_other_packages_alone():
    importlib.reload(mlp)
    (one,) = [one for one in sys.meta_path if isinstance(one, finder.TheanoFinder)]
    assert all(one.find_spec(name) is None for name in ("numpy", "theanox", "theano.tensor", "lasagne"))


def test_neither_importing_mlp_nor_asking_where_theano_is_prepares_anything(tmp_path):
    code = "import importlib.util, sys, mlp; importlib.util.find_spec('theano'); print(*sorted(sys.modules))"
    done = run_fresh(code, folder=tmp_path)
    assert "mlp" in done.stdout.split(), done.stderr
    assert not {"numpy", "theano", "subprocess", "ctypes"} & set(done.stdout.split())
