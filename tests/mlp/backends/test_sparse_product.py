"""theano/tuned's optimization sparsity: leaving out zeros changes no product and no step, whatever the zeros are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import SMALL

from mlp import backends
from mlp.backends.theano.tuned.tuning import DEFAULT_TILE, DENSE, TILE_COLUMNS
from mlp.training import initial_parameters

pytestmark = pytest.mark.slow

# Its first two layers' products are large enough for zeros to be looked for: 2**21 multiplications.
WIDE = replace(SMALL, layer_widths=(784, 180, 150, 10), batch_size=80, dropout=0.0)
PLAIN, TRANSPOSED_A, TRANSPOSED_B = (False, False), (True, False), (False, True)


@pytest.fixture(scope="module")
def multiply(theano):
    """``multiply(a, b)``: their product by the operation; factors that are to be transposed are stored so."""
    from mlp.backends.theano.tuned.product import Product

    functions = {}

    def product(a, b, transposed=PLAIN, num_threads=2, columns=DEFAULT_TILE):
        if (transposed, num_threads) not in functions:
            inputs = [*theano.tensor.fmatrices(2), theano.tensor.lvector()]
            operation = Product(num_threads, *transposed, skip_zeros=True)
            functions[transposed, num_threads] = theano.function(inputs, operation(*inputs))
        stored = [np.ascontiguousarray(x.T if t else x) for x, t in zip((a, b), transposed, strict=True)]
        return functions[transposed, num_threads](*stored, np.full(4, columns))

    return product


def sparse(random, rows, columns, density):
    """Normal numbers of which this share is not 0, float32 (rows, columns)."""
    return (random.randn(rows, columns) * (random.rand(rows, columns) < density)).astype(np.float32)


def factors(m=100, n=130, k=200, density=0.2):
    random = np.random.RandomState(0)
    return sparse(random, m, k, density), random.randn(k, n).astype(np.float32)


def assert_product(found, a, b):
    """Against float64, within the error of summing k float32 numbers of size 1."""
    np.testing.assert_allclose(found, a.astype(np.float64) @ b, rtol=0, atol=1e-5 * np.sqrt(a.shape[1]))


# --- one product --------------------------------------------------------------------------------------------------

sides = st.integers(1, 300)
any_threads, any_tile = st.sampled_from([1, 2, 5, 12]), st.sampled_from([*TILE_COLUMNS, DENSE])
any_transposed = st.sampled_from([PLAIN, TRANSPOSED_A, TRANSPOSED_B, (True, True)])


@settings(max_examples=150, deadline=None)
@given(sides, sides, sides, st.floats(0, 1), any_transposed, any_threads, any_tile, st.integers(0, 2**31))
def test_the_product_is_numpys_for_all_shapes_and_densities(
    multiply, m, n, k, density, transposed, threads, columns, seed
):
    """One call after another with other shapes and other zeros: nothing of the last one may be left."""
    random = np.random.RandomState(seed)
    a, b = sparse(random, m, k, density), random.randn(k, n).astype(np.float32)
    assert_product(multiply(a, b, transposed, threads, columns), a, b)


@pytest.mark.parametrize("transposed", [PLAIN, TRANSPOSED_A])
def test_a_batch_of_several_panels_is_multiplied_as_a_whole(multiply, transposed):
    a, b = factors(m=1300, k=70) if transposed == PLAIN else factors(k=1300)
    assert_product(multiply(a, b, transposed), a, b)


@pytest.mark.parametrize("transposed", [PLAIN, TRANSPOSED_A, TRANSPOSED_B])
def test_a_zero_is_not_multiplied(multiply, transposed):
    """Told by rows of B that are not numbers, which a dense product would spread over all of C."""
    a, b = factors()
    blank = [0, 5, 64, 127, 128, 199]
    a[:, blank] = 0
    a[3, blank] = -0.0
    expected = a.astype(np.float64) @ b
    b[blank] = np.nan
    np.testing.assert_allclose(multiply(a, b, transposed), expected, atol=1e-4)


def test_one_element_in_a_column_of_zeros_counts(multiply):
    a, b = factors()
    for column in (0, 127, 128, 199):
        a[:, column] = 0
        a[41, column] = 2.0**-140  # subnormal, and no zero
        b[column] = 2.0**100
    assert_product(multiply(a, b), a, b)
    a[41, 199] = 1e4
    assert_product(multiply(a, b / 2.0**100), a, b / 2.0**100)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_no_zero(multiply, value):
    a, b = factors()
    a[41, 7] = value
    found = multiply(a, b)
    assert not np.isfinite(found[41]).any()
    assert np.isfinite(np.delete(found, 41, axis=0)).all()


@pytest.mark.parametrize("transposed", [PLAIN, TRANSPOSED_A])
def test_nothing_but_zeros_gives_exact_zeros(multiply, transposed):
    a, b = factors(density=0)
    assert (multiply(a, b, transposed) == 0).all()


@pytest.mark.parametrize(("density", "skips"), [(0.45, True), (0.55, False)])
def test_zeros_are_left_out_only_where_half_of_the_factor_is_zero(multiply, density, skips):
    a, b = factors(density=density)
    a[:, 0] = 0
    b[0] = np.nan
    assert np.isfinite(multiply(a, b)).all() == skips


def test_a_dense_choice_multiplies_zeros(multiply):
    a, b = factors()
    a[:, 0] = 0
    b[0] = np.nan
    assert np.isnan(multiply(a, b, columns=DENSE)).all()


def test_threads_share_the_work_and_change_nothing(multiply):
    a, b = factors(m=500, k=784)
    one = multiply(a, b, num_threads=1)
    for num_threads in (2, 5, 12):
        np.testing.assert_array_equal(multiply(a, b, num_threads=num_threads), one)


# --- training -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def images():
    """float32 (240, 784) and their labels: most pixels of each are blank, some are blank in nearly all, two images
    are blank altogether, and pixel 300 shows in one image alone."""
    random = np.random.RandomState(1)
    labels = random.randint(0, 10, 240).astype(np.uint8)
    pixels = np.zeros((240, 784), np.float32)
    for image, label in zip(pixels, labels.tolist(), strict=True):
        image[60 + 60 * label : 120 + 60 * label] = random.rand(60)
        image[random.randint(60, 720, 40)] = random.rand()
    pixels[[17, 100]] = 0
    pixels[:, 300] = 0
    pixels[200, 300] = 0.75
    return pixels, labels


@pytest.fixture(scope="module")
def compiled_once(theano):
    backend = backends.create("theano", "tuned")
    backend.build(WIDE, initial_parameters(WIDE))
    backend.compile()
    return backend


@pytest.fixture
def tuned(compiled_once):
    compiled_once.set_parameters(initial_parameters(WIDE))
    return compiled_once


@pytest.fixture
def oracle():
    backend = backends.create("numpy", "float64")
    backend.build(WIDE, initial_parameters(WIDE))
    return backend


def assert_same_parameters(tuned, oracle):
    for ours, theirs in zip(tuned.parameters(), oracle.parameters(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_epochs_follow_the_oracle_minibatch_by_minibatch(tuned, oracle, images):
    """Each minibatch has other blank pixels than the last; the image with a pixel of its own is in one of them."""
    for epoch in range(10):
        order = np.random.RandomState(epoch).permutation(240)
        losses = [backend.train_epoch(*images, order) for backend in (tuned, oracle)]
        assert losses[0] == pytest.approx(losses[1], rel=2e-4)
    assert_same_parameters(tuned, oracle)


def test_images_that_change_in_place_are_seen_anew(tuned, oracle, images):
    pixels, labels = images[0].copy(), images[1]
    order = np.arange(240)
    for _ in range(2):
        assert tuned.train_epoch(pixels, labels, order) == pytest.approx(
            oracle.train_epoch(pixels, labels, order), rel=1e-4
        )
        pixels[:] = pixels[:, ::-1]
    assert_same_parameters(tuned, oracle)


def test_dense_and_blank_minibatches_may_follow_one_another(tuned, oracle, images):
    dense = np.random.RandomState(2).rand(80, 784).astype(np.float32)
    labels = images[1][:80]
    for batch in (dense, images[0][:80], np.zeros_like(dense), dense, images[0][80:160]):
        assert tuned.train_step(batch, labels) == pytest.approx(oracle.train_step(batch, labels), rel=2e-4)
        assert tuned.evaluate(batch, labels)[0] == pytest.approx(oracle.evaluate(batch, labels)[0], rel=2e-4)
    assert_same_parameters(tuned, oracle)


def test_weights_of_a_pixel_that_never_shows_stay_as_they_were_set(tuned, images):
    before = tuned.parameters()[0]
    never = (images[0] == 0).all(axis=0)
    assert 100 < never.sum() < 500
    for step in range(50):
        rows = np.arange(80 * (step % 3), 80 * (step % 3) + 80)
        tuned.train_step(images[0][rows], images[1][rows])
    after = tuned.parameters()[0]
    np.testing.assert_array_equal(after[never], before[never])
    assert (after[~never] != before[~never]).any(axis=1).all()


def test_rmsprops_mean_of_squares_decays_where_a_pixel_went_blank(tuned, oracle, images):
    """The image with pixel 300 is in the first step only: three steps later 0.9**3 of its mean square is left."""
    for start in (160, 0, 80, 0):
        rows = slice(start, start + 80)
        for backend in (tuned, oracle):
            backend.train_step(images[0][rows], images[1][rows])
        if start == 160:
            first = accumulator_of_first_weights(tuned)[300]
    left = accumulator_of_first_weights(tuned)[300]
    assert first.max() > 0
    np.testing.assert_allclose(left, 0.9**3 * first, rtol=1e-6)
    np.testing.assert_allclose(left, oracle._accus[0][300], rtol=1e-3, atol=1e-12)


def accumulator_of_first_weights(tuned):
    (accumulator,) = [one for one in tuned._updates if one.get_value().shape == (784, 180) and one.name != "W"]
    return accumulator.get_value()


@pytest.mark.parametrize("size", [64, 500, 5_000])
def test_a_sparse_batch_may_have_any_size(theano, size):
    random = np.random.RandomState(3)
    pixels, labels = np.abs(sparse(random, size, 784, 0.2)), random.randint(0, 10, size).astype(np.uint8)
    recipe = replace(WIDE, batch_size=size)
    tuned, oracle = backends.create("theano", "tuned"), backends.create("numpy", "float64")
    for backend in (tuned, oracle):
        backend.build(recipe, initial_parameters(recipe))
        backend.compile()
    order = random.permutation(size)
    for _ in range(2):
        losses = [backend.train_epoch(pixels, labels, order) for backend in (tuned, oracle)]
        assert losses[0] == pytest.approx(losses[1], rel=2e-4)


# --- what is not finite ---------------------------------------------------------------------------------------------


def test_a_pixel_that_is_not_a_number_shows_in_the_loss(tuned, images):
    pixels = images[0][:80].copy()
    pixels[5, 0] = np.nan
    assert np.isnan(tuned.train_step(pixels, images[1][:80]))
    assert np.isnan(tuned.parameters()[1]).any()  # and in the biases: no later step can look healthy
    assert np.isnan(tuned.evaluate(images[0][80:160], images[1][80:160])[0])


def test_a_weight_that_is_not_a_number_shows_as_soon_as_its_pixel_does(tuned, images):
    parameters = tuned.parameters()
    parameters[0][300] = np.nan
    tuned.set_parameters(parameters)
    assert np.isfinite(tuned.evaluate(images[0][:80], images[1][:80])[0])
    assert np.isnan(tuned.evaluate(images[0][160:], images[1][160:])[0])
