"""theano/tuned: each operation against an outside oracle, the generator's statistics, every optimization left out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from compile_fast import copy_modules, flags_for
from fresh import printed
from philox import philox, words
from scipy import special, stats
from small import SMALL

from mlp import backends
from mlp.backends import Unavailable
from mlp.backends.theano.tuned import optimizations
from mlp.backends.theano.tuned.tuning import TuningParameters
from mlp.errors import BackendError
from mlp.theano_compat.blas import Blas
from mlp.theano_compat.compiler import base_compile_directory
from mlp.training import initial_parameters

PLAIN = replace(SMALL, dropout=0.0)
WIDE = replace(SMALL, layer_widths=(784, 180, 150, 10), batch_size=80)  # wide enough for sparsity
KEY = (0x12345678, 0x9ABCDEF0)


def constant_key(theano):
    return theano.tensor.as_tensor_variable(np.array(KEY, np.uint32))


def call(theano, expression, inputs, **options):
    """The value of ``expression`` where ``inputs`` maps variables to arrays."""
    return theano.function(list(inputs), expression, on_unused_input="ignore", **options)(*inputs.values())


# --- the random numbers -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def masks(theano):
    """``masks(key, step, num_rows, num_units)``: the operation's masks, bool, at a keep probability of 0.6."""
    from mlp.backends.theano.tuned.dropout_relu import DropoutRelu

    functions = {}

    def draw(key, step, num_rows, num_units, keep=0.6, num_threads=2):
        if (keep, num_threads) not in functions:
            T = theano.tensor
            inputs = [T.fmatrix(), T.fvector(), T.lscalar(), T.vector(dtype="uint32")]
            functions[keep, num_threads] = theano.function(inputs, DropoutRelu(num_threads, keep)(*inputs))
        ones, zeros = np.ones((num_rows, num_units), np.float32), np.zeros(num_units, np.float32)
        return functions[keep, num_threads](ones, zeros, step, np.array(key, np.uint32)) > 0

    return draw


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [  # known answers: kat_vectors of Random123, the authors' own library
        ((0, 0), (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 4, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0xA4093822, 0x299F31D0),
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_reference_here_gives_the_authors_known_answers(key, counter, expected):
    np.testing.assert_array_equal(philox(key, [counter])[0], np.array(expected, np.uint32))


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 7, 2**32 + 7])
def test_masks_are_philoxs_words_below_the_keep_probability(masks, step):
    expected = words(KEY, step, 37, 333) < round(0.6 * 2**32)
    np.testing.assert_array_equal(masks(KEY, step, 37, 333), expected)


@pytest.mark.slow
def test_masks_depend_on_neither_the_threads_nor_the_batch_size(masks):
    one = masks(KEY, 3, 500, 300, num_threads=1)
    np.testing.assert_array_equal(one, masks(KEY, 3, 500, 300, num_threads=2))
    np.testing.assert_array_equal(one[:7], masks(KEY, 3, 7, 300))


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0.6, 0.5, 0.97, 1 - 2**-40])
def test_units_are_kept_at_the_exact_rate(masks, keep):
    """A binomial test of a million units; the seed is fixed, so that it passes always or never."""
    kept = masks(KEY, 1, 2000, 512, keep)
    assert stats.binomtest(int(kept.sum()), kept.size, keep).pvalue > 1e-3


@pytest.mark.slow
def test_every_unit_and_every_row_is_kept_at_the_same_rate(masks):
    kept = np.concatenate([masks(KEY, step, 512, 500) for step in range(4)])
    for axis in (0, 1):
        counts = kept.sum(axis=axis)
        trials = kept.shape[axis]
        chi_square = ((counts - 0.6 * trials) ** 2 / (0.24 * trials)).sum()
        assert stats.chi2(len(counts)).sf(chi_square) > 1e-3 and stats.chi2(len(counts)).cdf(chi_square) > 1e-3


@pytest.mark.slow
def test_neighbours_steps_and_layers_are_independent(masks):
    """2 by 2 tables of pairs, chi-square with one degree of freedom; some pairs are of other words, lanes and tiles."""
    kept = masks(KEY, 1, 2000, 512)
    pairs = {f"unit + {lag}": (kept[:, lag:], kept[:, :-lag]) for lag in (1, 2, 8, 16, 64, 128)}
    pairs |= {f"row + {lag}": (kept[lag:], kept[:-lag]) for lag in (1, 2, 64)}
    pairs |= {f"step + {lag}": (kept, masks(KEY, 1 + lag, 2000, 512)) for lag in (1, 2, 2**32)}
    pairs["layer"] = (kept, masks((KEY[0], KEY[1] + 1), 1, 2000, 512))
    for name, (first, second) in pairs.items():
        table = np.bincount(2 * first.ravel() + second.ravel(), minlength=4).reshape(2, 2)
        assert stats.chi2_contingency(table, correction=False).pvalue > 1e-4, name


@pytest.mark.slow
def test_words_are_uniform_in_their_high_and_low_bits(masks):
    """The masks are comparisons of these words, see above; the low bits decide next to the threshold."""
    drawn = words(KEY, 5, 500, 512).ravel()
    for shift in (0, 12, 24):
        counts = np.bincount((drawn >> shift) & 0xFF, minlength=256)
        assert 1e-3 < stats.chisquare(counts).pvalue < 1 - 1e-3, f"bits {shift} to {shift + 7}"


def test_no_counter_is_used_twice_in_a_step():
    """The step has two words of its own, so that no two units of a layer share a word for 2**64 steps: the period."""
    rows, units = np.mgrid[:3, :512]
    used = np.stack([16 * (units // 64) + units % 16, rows, units // 16 % 4], axis=-1).reshape(-1, 3)
    assert len(np.unique(used, axis=0)) == rows.size


# --- operations ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("num_threads", [1, 2, 4, 5])
def test_products_are_numpys_for_all_shapes_and_threads(theano, transpose_a, transpose_b, num_threads):
    from mlp.backends.theano.tuned.product import Product

    a, b = theano.tensor.fmatrices(2)
    function = theano.function([a, b], Product(num_threads, transpose_a, transpose_b)(a, b))
    random = np.random.RandomState(0)
    shapes = [(1, 1, 1), (7, 500, 784), (500, 10, 300), (301, 503, 7), (1, 500, 784), (3, 1, 70_000)]
    shapes += [(2, 300, 500), (9, 500, 300), (16, 500, 784), (784, 500, 17)]  # cut into more parts than threads
    for m, n, k in shapes:
        left, right = random.randn(m, k).astype(np.float32), random.randn(k, n).astype(np.float32)
        stored = [np.ascontiguousarray(x.T) if t else x for x, t in ((left, transpose_a), (right, transpose_b))]
        expected = left.astype(np.float64) @ right
        np.testing.assert_allclose(function(*stored), expected, atol=1e-5 * np.sqrt(k) * 3)


@pytest.mark.slow
def test_products_leave_the_blas_its_threads(theano):
    from mlp.backends.theano.tuned.product import Product

    before = optimizations.blas_threads()
    a, b = theano.tensor.fmatrices(2)
    ones = np.ones((300, 300), np.float32)
    call(theano, Product(2)(a, b), {a: ones, b: ones})
    assert optimizations.blas_threads() == before


@pytest.mark.slow
def test_matrices_that_do_not_fit_are_refused(theano):
    from mlp.backends.theano.tuned.product import Product

    a, b = theano.tensor.fmatrices(2)
    with pytest.raises(ValueError, match="do not fit"):
        call(theano, Product(1)(a, b), {a: np.ones((2, 3), np.float32), b: np.ones((2, 3), np.float32)})


@pytest.mark.slow
@pytest.mark.parametrize("num_threads", [1, 2])
def test_a_hidden_layer_and_its_gradient_are_as_written_out(theano, num_threads):
    from mlp.backends.theano.tuned.dropout_relu import DropoutRelu

    T = theano.tensor
    random = np.random.RandomState(1)
    z_value, upstream = random.randn(2, 5000, 70).astype(np.float32)
    bias_value = random.randn(70).astype(np.float32)
    z, bias, g = T.fmatrix(), T.fvector(), T.fmatrix()
    h = DropoutRelu(num_threads, 0.6)(z, bias, T.as_tensor_variable(np.int64(4)), constant_key(theano))
    expressions = [h, *theano.grad(None, [z, bias], known_grads={h: g})]
    inputs = {z: z_value, bias: bias_value, g: upstream}
    outputs, z_gradient, bias_gradient = call(theano, expressions, inputs)
    passes = (words(KEY, 4, 5000, 70) < round(0.6 * 2**32)) & (z_value + bias_value > 0)
    np.testing.assert_allclose(outputs, np.where(passes, (z_value + bias_value) / 0.6, 0), rtol=1e-6)
    np.testing.assert_allclose(z_gradient, np.where(passes, upstream / 0.6, 0), rtol=1e-6)
    exact = np.where(passes, upstream.astype(np.float64) / 0.6, 0).sum(axis=0)
    np.testing.assert_allclose(bias_gradient, exact, atol=1e-6 * np.abs(upstream).sum(axis=0).max())


@pytest.mark.slow
def test_bias_gradients_of_a_huge_batch_lose_no_digits(theano):
    """Fifty thousand times 0.1: added one by one in float32 this is wrong in the fourth digit."""
    from mlp.backends.theano.tuned.dropout_relu import DropoutReluGradient

    h, g = theano.tensor.fmatrices(2)
    ones = np.ones((50_000, 3), np.float32)
    _, sums = call(theano, DropoutReluGradient(2, 1.0)(h, g), {h: ones, g: 0.1 * ones})
    np.testing.assert_allclose(sums, 5000, rtol=1e-6)


@pytest.mark.slow
def test_what_is_not_a_number_stays_so(theano):
    """A diverged network must not look healthy because ReLU took NaN for something negative."""
    from mlp.backends.theano.tuned.dropout_relu import DropoutRelu

    T = theano.tensor
    z, bias = T.fmatrix(), T.fvector()
    layer = DropoutRelu(1, 1.0)(z, bias, T.as_tensor_variable(np.int64(0)), constant_key(theano))
    inputs = {z: np.array([[np.nan, 1, -1]], np.float32), bias: np.zeros(3, np.float32)}
    np.testing.assert_array_equal(call(theano, layer, inputs), [[np.nan, 1, 0]])


@pytest.fixture(scope="module")
def score(theano):
    """``score(logits, labels)``: gradient at the logits, gradient at the biases, loss and accuracy."""
    from mlp.backends.theano.tuned.softmax_crossentropy import SoftmaxCrossentropy

    z, bias, labels = theano.tensor.fmatrix(), theano.tensor.fvector(), theano.tensor.ivector()
    function = theano.function([z, bias, labels], SoftmaxCrossentropy(2)(z, bias, labels))
    return lambda logits, targets: function(logits - np.float32(1), np.ones(10, np.float32), targets)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [1, 30, 1e4], ids=["mild", "certain", "extreme"])
def test_loss_gradient_and_accuracy_are_scipys(score, spread):
    random = np.random.RandomState(2)
    logits = np.round(spread * random.randn(333, 10)).astype(np.float32)
    labels = random.randint(0, 10, 333).astype(np.int32)
    gradient, bias_gradient, loss, accuracy = score(logits, labels)
    exact = logits.astype(np.float64)
    expected = (special.softmax(exact, axis=1) - np.eye(10)[labels]) / 333
    np.testing.assert_allclose(gradient, expected, atol=1e-6 / 333)
    np.testing.assert_allclose(bias_gradient, expected.sum(axis=0), atol=1e-6)
    assert loss == pytest.approx(-special.log_softmax(exact, axis=1)[np.arange(333), labels].mean(), rel=1e-6)
    assert accuracy == pytest.approx((logits.argmax(axis=1) == labels).mean())


@pytest.mark.slow
@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_that_is_no_class_is_refused(score, label):
    with pytest.raises(ValueError, match="which is a class"):
        score(np.zeros((1, 10), np.float32), np.array([label], np.int32))


GRADIENT_SHAPES = [(300, 100), (100,), (7, 3), (1,), (5, 10), (10,)]  # ranks as in the network: one compiled module


def update_function(theano, num_threads, shared):
    """Our update as a function of the gradients of ``shared`` variables, and these gradients' variables."""
    from mlp.backends.theano.tuned.graph import TunedGraph

    gradients = [variable.type() for variable in map(theano.tensor.as_tensor_variable, shared)]
    graph = TunedGraph(shared, SMALL, frozenset({"update", "threads"}), TuningParameters(num_threads))
    return theano.function(gradients, [], updates=graph.updates(gradients)), gradients


@pytest.mark.slow
@pytest.mark.parametrize("num_threads", [1, 2])
def test_updates_are_lasagnes(theano, num_threads):
    from lasagne.updates import rmsprop

    random = np.random.RandomState(3)
    initial = [random.randn(*shape).astype(np.float32) for shape in GRADIENT_SHAPES]
    ours, theirs = ([theano.shared(value) for value in initial] for _ in range(2))
    our_function, gradients = update_function(theano, num_threads, ours)
    rates = (SMALL.learning_rate, SMALL.rho, SMALL.epsilon)
    their_function = theano.function(gradients, [], updates=rmsprop(gradients, theirs, *rates))
    for _ in range(3):
        values = [10.0 ** random.randint(-6, 2) * random.randn(*shape).astype(np.float32) for shape in GRADIENT_SHAPES]
        our_function(*values)
        their_function(*values)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.get_value(), other.get_value(), rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_a_gradient_of_another_size_is_refused(theano):
    ones = [np.ones(shape, np.float32) for shape in GRADIENT_SHAPES]
    function, _ = update_function(theano, 1, [theano.shared(value) for value in ones])
    with pytest.raises(ValueError, match="differs in size from its own gradient"):
        function(*ones[:-1], np.ones(11, np.float32))


@pytest.fixture(scope="module")
def gather(theano):
    from mlp.backends.theano.tuned.minibatch import Minibatch

    images, labels, rows = theano.tensor.fmatrix(), theano.tensor.ivector(), theano.tensor.lvector()
    return theano.function([images, labels, rows], Minibatch(2)(images, labels, rows))


@pytest.mark.slow
def test_a_minibatch_is_numpys(gather):
    images = np.random.RandomState(4).rand(1000, 784).astype(np.float32)
    labels = np.arange(1000, dtype=np.int32)
    for rows in (np.array([999, 0, 0]), np.random.RandomState(5).permutation(1000)):
        x, y = gather(images, labels, rows)
        np.testing.assert_array_equal(x, images[rows])
        np.testing.assert_array_equal(y, labels[rows])


@pytest.mark.slow
@pytest.mark.parametrize("row", [-1, 3])
def test_a_row_that_is_not_in_the_data_is_refused(gather, row):
    with pytest.raises(IndexError, match="not in the data"):
        gather(np.zeros((3, 2), np.float32), np.zeros(3, np.int32), np.array([0, row]))


@pytest.mark.slow
def test_arrays_that_are_not_contiguous_are_refused(gather):
    with pytest.raises(ValueError, match="images must be C-contiguous"):
        gather(np.zeros((2, 3), np.float32).T, np.zeros(3, np.int32), np.array([0]))


@pytest.mark.slow
def test_inputs_are_overwritten_only_without_other_users(theano):
    from mlp.backends.theano.tuned.dropout_relu import DropoutRelu

    T = theano.tensor
    x, bias = T.fmatrix(), T.fvector()
    z = x + 1
    h = DropoutRelu(1, 1.0)(z, bias, T.as_tensor_variable(np.int64(0)), constant_key(theano))
    inputs = {x: np.full((2, 3), -3, np.float32), bias: np.zeros(3, np.float32)}
    kept, outputs = call(theano, [z, h], inputs)
    assert (kept == -2).all() and (outputs == 0).all()
    alone = theano.function([x, bias], h)
    assert [node.op.in_place for node in alone.maker.fgraph.toposort() if isinstance(node.op, DropoutRelu)] == [True]


# --- the variant --------------------------------------------------------------------------------------------------


def built(recipe, without="", variant="tuned", monkeypatch=None):
    if monkeypatch is not None:
        monkeypatch.setenv(optimizations.VARIABLE, without)
    backend = backends.create("theano", variant)
    backend.import_framework()
    backend.build(recipe, initial_parameters(recipe))
    return backend


class GivenMasks:
    """Stands in for the generator of a Lasagne dropout layer: its masks are an input of the function."""

    def __init__(self, theano):
        self.masks = theano.tensor.fmatrix()

    def binomial(self, shape, p, dtype):
        return self.masks


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "darkest"), [(SMALL, 0.0), (WIDE, 0.18)], ids=["small", "wide, most pixels blank"])
def test_with_the_same_masks_a_hundred_steps_are_the_published_ones(theano, toy_data, recipe, darkest):
    """Dropout on.  The published graph is the tutorial's, with masks handed in instead of drawn."""
    from lasagne.layers import DropoutLayer, get_all_layers

    from mlp import canonical
    from mlp.backends.theano.tuned.graph import mask_keys

    all_images = np.where(toy_data[0] < darkest, np.float32(0), toy_data[0])
    tuned = built(recipe)
    tuned.compile()
    published = built(recipe, variant="as_published")
    given = []
    for layer in get_all_layers(published.network):
        if isinstance(layer, DropoutLayer):
            layer._srng = GivenMasks(theano)
            given.append(layer._srng.masks)
    inputs = [published._input_var, published._target_var]
    loss, updates = canonical.training_expressions(published.network, inputs[1], recipe)
    train = theano.function([*inputs, *given], loss, updates=updates)
    keys = mask_keys(recipe, 2)
    size = recipe.batch_size
    for step in range(100):
        first = step * size % (len(all_images) // size * size)
        images, labels = all_images[first : first + size], toy_data[1][first : first + size]
        drawn = [
            (words(key, step, size, width) < round(0.6 * 2**32)).astype(np.float32)
            for key, width in zip(keys, recipe.layer_widths[1:-1], strict=True)
        ]
        assert tuned.train_step(images, labels) == pytest.approx(float(train(images, labels, *drawn)), rel=2e-4)
    for ours, theirs in zip(tuned.parameters(), published.parameters(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("without", [*optimizations.NAMES, ",".join(optimizations.NAMES)])
def test_without_any_optimization_it_still_follows_the_oracle(theano, monkeypatch, toy_data, without):
    tuned = built(PLAIN, without, monkeypatch=monkeypatch)
    tuned.compile()
    oracle = backends.create("numpy", "float64")
    oracle.build(PLAIN, initial_parameters(PLAIN))
    order = np.random.RandomState(6).permutation(200)
    assert tuned.train_epoch(*toy_data[:2], order) == pytest.approx(oracle.train_epoch(*toy_data[:2], order), rel=1e-4)
    assert tuned.evaluate(*toy_data[2:4]) == pytest.approx(oracle.evaluate(*toy_data[2:4]), rel=1e-4)


@pytest.mark.slow
def test_theanos_own_generator_drops_too_where_ours_is_left_out(theano, monkeypatch, toy_data):
    tuned = built(SMALL, "dropout", monkeypatch=monkeypatch)
    tuned.compile()
    losses = []
    for _ in range(2):
        tuned.set_parameters(initial_parameters(SMALL))
        losses.append(tuned.train_step(toy_data[0][:20], toy_data[1][:20]))
    assert losses[0] != losses[1]


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 500, 50_000])
def test_a_batch_may_have_any_size(theano, size):
    random = np.random.RandomState(7)
    images, labels = random.rand(size, 784).astype(np.float32), random.randint(0, 10, size).astype(np.uint8)
    recipe = replace(PLAIN, batch_size=size)
    tuned, oracle = built(recipe), backends.create("numpy", "float64")
    tuned.compile()
    oracle.build(recipe, initial_parameters(recipe))
    order = random.permutation(size)
    assert tuned.train_epoch(images, labels, order) == pytest.approx(
        oracle.train_epoch(images, labels, order), rel=2e-5
    )
    assert tuned.evaluate(images, labels) == pytest.approx(oracle.evaluate(images, labels), rel=1e-3)


STEPS_OF_SEED = """
import os, sys, warnings
from dataclasses import replace
import numpy as np
from mlp import backends
from mlp.recipe import CANONICAL
from mlp.training import initial_parameters
recipe = replace(CANONICAL, seed=int(sys.argv[1]))
tuned = backends.create("theano", "tuned")
tuned.build(recipe, initial_parameters(recipe))
tuned.compile()
random = np.random.RandomState(8)
data = random.rand(500, 784).astype(np.float32), random.randint(0, 10, 500).astype(np.uint8)
loss = tuned.train_step(*data)
warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on, of a fork beside threads
child = os.fork()
if child == 0:
    os._exit(0 if np.isfinite(tuned.train_step(*data)) else 1)
print(loss, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def steps_of_a_fresh_process(seed=1, **variables):
    """The loss of its first step, and the exit status of its fork, 0 after another step."""
    loss, status = printed(STEPS_OF_SEED, str(seed), **variables).split()
    return float(loss), int(status)


def threads(number):
    return {"OPENBLAS_NUM_THREADS": str(number), "OMP_NUM_THREADS": str(number)}


@pytest.fixture(scope="module")
def on_two_threads(theano):
    return steps_of_a_fresh_process(**threads(2))


@pytest.mark.slow
def test_after_a_fork_a_step_ends_without_helpers(on_two_threads):
    """Threads do not survive a fork: waiting for them would hang, as it may for those of other frameworks here."""
    assert on_two_threads[1] == 0


@pytest.mark.slow
def test_one_thread_and_two_compute_the_same_loss(on_two_threads):
    assert steps_of_a_fresh_process(**threads(1))[0] == pytest.approx(on_two_threads[0], rel=1e-6)


@pytest.mark.slow
def test_what_one_seed_compiled_serves_every_other_without_a_word_in_the_cache(theano, tmp_path):
    """A seed in a module's key would be noted under Theano's lock, for which processes wait for seconds."""

    def cached():
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.suffix in (".so", ".pkl")}

    copy_modules(base_compile_directory(), tmp_path)  # no other test compiles into it
    variables = {**threads(2), "THEANO_FLAGS": flags_for(tmp_path)}
    first, _ = steps_of_a_fresh_process(seed=1, **variables)
    compiled = cached()
    second, _ = steps_of_a_fresh_process(seed=2, **variables)
    assert cached() == compiled and len(compiled) > 10
    assert first != second


@pytest.mark.slow
def test_a_compiler_that_rejects_the_operations_costs_speed_and_a_warning(theano, monkeypatch, toy_data):
    from mlp.backends.theano.tuned.native import NativeOp

    monkeypatch.setattr(NativeOp, "c_support_code", lambda self: "#error no such compiler")
    tuned = built(PLAIN)
    with pytest.warns(RuntimeWarning, match="without its own operations.*the C\\+\\+ compiler rejects them"):
        tuned.compile()
    assert not (Path(theano.config.compiledir) / "lock_dir" / "lock").exists()  # other processes may compile now
    oracle = backends.create("numpy", "float64")
    oracle.build(PLAIN, initial_parameters(PLAIN))
    batch = toy_data[0][:20], toy_data[1][:20]
    assert tuned.train_step(*batch) == pytest.approx(oracle.train_step(*batch), rel=1e-5)


# --- optimizations ------------------------------------------------------------------------------------------------


@pytest.fixture
def another_blas(monkeypatch):
    monkeypatch.setattr(optimizations, "choose_blas", lambda: Blas("from THEANO_FLAGS", "-lopenblas", None, ""))


def test_another_blas_keeps_its_threads_to_itself_and_the_reason_is_told(another_blas):
    inactive = {
        state.optimization.name: state.reason for state in optimizations.optimization_states() if not state.active
    }
    assert set(inactive) == {"products", "sparsity", "threads"}
    assert inactive["products"] == "it needs SciPy's OpenBLAS, and the BLAS is from THEANO_FLAGS"
    assert optimizations.active_optimizations() == set(optimizations.NAMES) - {"products", "sparsity", "threads"}


@pytest.mark.slow
def test_a_missing_optimization_is_warned_of_with_what_happens_instead(theano, another_blas):
    with pytest.warns(RuntimeWarning) as warned:
        built(PLAIN)
    assert str(warned[0].message) == (
        "theano/tuned runs without products: it needs SciPy's OpenBLAS, and the BLAS is from THEANO_FLAGS; "
        "the BLAS's own threads compute the products."
    )


def test_what_is_left_out_on_purpose_is_not_missed(monkeypatch):
    monkeypatch.setenv(optimizations.VARIABLE, "products, update")
    states = {state.optimization.name: state for state in optimizations.optimization_states()}
    assert [name for name, state in states.items() if not state.active] == ["products", "sparsity", "threads", "update"]
    assert not any(state.missed for state in states.values())
    assert states["update"].reason == "left out by MLP_BENCH_TUNED_WITHOUT"


def test_an_unknown_optimization_is_refused():
    with pytest.raises(BackendError, match=r"no optimization 'turbo': .* takes some of products, sparsity"):
        optimizations.active_optimizations("turbo,update")


def test_it_is_for_the_cpu():
    answer = backends.load("theano").availability("cuda", "tuned")
    assert answer == Unavailable("theano/tuned is written for cpu only", "Measure theano/as_published there.")
