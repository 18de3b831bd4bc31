"""The tutorial's usage lines and its three exercises, and networks that are kept and come back."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
from small import SMALL

import mlp as flm
from mlp.backends.base import Backend
from mlp.errors import BackendError, MlpError, RecipeError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def first_run(toy_data, precompiled_header):
    """A network after two epochs, the history of these, and the losses of their minibatches."""
    losses = flm.LossHistory()
    network = flm.run_network(data=toy_data, recipe=SMALL, callbacks=[losses], verbose=False)
    return network, network.history, losses.losses


@pytest.fixture(scope="module")
def network(first_run):
    """The same network, which some tests train further."""
    return first_run[0]


def all_values(network):
    import lasagne

    return lasagne.layers.get_all_param_values(network)


def test_run_network_returns_the_last_layer_with_its_history(first_run):
    from lasagne.layers import DenseLayer

    network, history, _ = first_run
    assert isinstance(network, DenseLayer)
    assert network.output_shape == (None, 10)
    assert len(history.epochs) == 2


def test_the_canonical_network_is_the_tutorials():
    import lasagne
    import theano.tensor as T

    layers = lasagne.layers.get_all_layers(flm.build_mlp(T.tensor4("inputs")))
    names = [type(layer).__name__ for layer in layers]
    assert names == ["InputLayer", "DenseLayer", "DropoutLayer", "DenseLayer", "DropoutLayer", "DenseLayer"]
    assert [layer.num_units for layer in layers[1::2]] == [500, 300, 10]
    assert [layer.p for layer in layers[2::2]] == [0.4, 0.4]
    assert lasagne.layers.count_params(layers[-1]) == 545_810


def test_exercise_one_the_loss_of_every_minibatch(first_run):
    _, history, losses = first_run
    assert len(losses) == 20
    assert np.mean(losses[:10]) == pytest.approx(history.epochs[0].train_loss)


def test_exercise_two_a_network_is_trained_further(network, toy_data):
    before = all_values(network)
    again = flm.run_network(data=toy_data, num_epochs=3, network=network, recipe=SMALL, verbose=False)
    assert again is network
    assert any((old != new).any() for old, new in zip(before, all_values(again), strict=True))
    # It went on from where it was: the loss starts where training had ended, not at ln 10.
    assert again.history.epochs[0].train_loss < 0.9 * np.log(10)


def test_exercise_three_the_class_of_an_example_in_any_shape(network, toy_data):
    images, labels = toy_data[4], toy_data[5]
    trained = flm.run_network(data=toy_data, num_epochs=15, network=network, recipe=SMALL, verbose=False)
    predicted = [flm.get_class(trained, image) for image in images]
    assert all(type(digit) is int for digit in predicted)
    assert np.mean(np.array(predicted) == labels) == pytest.approx(trained.history.test_accuracy)
    assert trained.history.test_accuracy > 0.5
    for shape in ((28, 28), (784,), (1, 1, 28, 28)):
        assert flm.get_class(trained, images[0].reshape(shape)) == predicted[0]


def test_an_example_of_another_size_is_refused(network):
    with pytest.raises(RecipeError, match=r"784 values.*\(27, 28\)"):
        flm.get_class(network, np.zeros((27, 28)))


def test_a_network_is_kept_and_comes_back(network, toy_data, tmp_path):
    path = tmp_path / "network.npz"
    flm.save_parameters(network, path)
    loaded = flm.load_network(path, SMALL)
    for old, new in zip(all_values(network), all_values(loaded), strict=True):
        np.testing.assert_array_equal(old, new)
    for image in toy_data[4][:10]:
        assert flm.get_class(loaded, image) == flm.get_class(network, image)
    retrained = flm.run_network(data=toy_data, num_epochs=1, network=loaded, recipe=SMALL, verbose=False)
    assert retrained is loaded
    assert [path.name for path in tmp_path.iterdir()] == ["network.npz"]


def test_a_kept_network_holds_no_pickle(network, tmp_path):
    path = tmp_path / "network.npz"
    flm.save_parameters(network, path)
    with np.load(path, allow_pickle=False) as archive:
        assert archive.files == ["W1", "b1", "W2", "b2", "W3", "b3"]
        assert all(archive[name].dtype == np.float32 for name in archive.files)


@pytest.mark.parametrize("content", [b"", b"not a network", b"<html></html>"])
def test_another_file_is_no_network(tmp_path, content):
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(MlpError, match="save_parameters"):
        flm.load_network(path)


def test_arrays_that_do_not_fit_together_are_no_network(tmp_path):
    path = tmp_path / "odd.npz"
    np.savez(path, W1=np.zeros((784, 5)), b1=np.zeros(5), W2=np.zeros((6, 10)), b2=np.zeros(10))
    with pytest.raises(MlpError, match="do not form a network"):
        flm.load_network(path)


def test_a_missing_file_or_folder_is_a_sentence(network, tmp_path):
    with pytest.raises(MlpError, match="cannot read"):
        flm.load_network(tmp_path / "nothing.npz")
    with pytest.raises(MlpError, match="cannot write"):
        flm.save_parameters(network, tmp_path / "nowhere" / "network.npz")


def test_a_saved_network_keeps_the_mode_and_the_link_of_its_file(network, tmp_path):
    (tmp_path / "old.npz").touch(0o640)
    (tmp_path / "link").symlink_to("old.npz")
    flm.save_parameters(network, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and flm.load_network(tmp_path / "old.npz", SMALL)
    assert (tmp_path / "old.npz").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "old.npz"]


def test_no_epochs_are_refused(toy_data):
    with pytest.raises(RecipeError, match="number of epochs must be at least 1, got 0"):
        flm.run_network(data=toy_data, num_epochs=0)


def test_only_theano_networks_are_trained_further(network, toy_data):
    with pytest.raises(BackendError, match="only a Theano network"):
        flm.run_network(data=toy_data, network=network, backend="numpy")


def test_ctrl_c_returns_the_network_trained_so_far(toy_data, monkeypatch, capsys):
    train_epoch = Backend.train_epoch
    calls = []

    def interrupted_in_the_second(self, *arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train_epoch(self, *arguments)

    monkeypatch.setattr(Backend, "train_epoch", interrupted_in_the_second)
    network = flm.run_network(data=toy_data, recipe=replace(SMALL, num_epochs=5))
    assert network.history.interrupted
    assert flm.get_class(network, toy_data[4][0]) in range(10)
    assert "Interrupted after 1 of 5 epochs" in capsys.readouterr().out


def test_a_numpy_network_has_classes_too(toy_data):
    network = flm.run_network(data=toy_data, recipe=SMALL, backend="numpy", verbose=False)
    assert flm.get_class(network, toy_data[4][0]) in range(10)


def test_the_module_reloads_as_the_tutorial_does():
    reloaded = importlib.reload(flm)
    assert reloaded.CANONICAL.batch_size == 500
    assert set(reloaded.__all__) <= set(dir(reloaded))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'load_mnist'"):
        flm.load_mnist  # noqa: B018
