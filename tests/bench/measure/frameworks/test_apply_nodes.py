"""The table of apply nodes, on stand-ins with the few attributes that Theano's and PyTensor's share."""

from types import SimpleNamespace

import pytest

from bench.measure.frameworks.theano.apply_nodes import Graph, Size, source_of

BATCH, INPUTS, UNITS = 20, 784, 32


class Variable:
    def __init__(self, name=None, shape=(), owner=None, index=0):
        self.name, self.shape, self.owner, self.index = name, shape, owner, index
        self.tag = SimpleNamespace()

    def __str__(self):
        return self.name


def node(op, inputs, *shapes, **attributes):
    """An apply node of an Op whose class is called ``op``."""
    made = Node(type(op, (), attributes)(), inputs)
    made.outputs = [Variable(shape=shape, owner=made, index=index) for index, shape in enumerate(shapes)]
    return made


class Node:
    def __init__(self, op, inputs):
        self.op, self.inputs, self.outputs = op, inputs, []


@pytest.fixture
def gradient_step():
    """images.T @ delta once as a gradient and once scaled, as Theano computes it; then RMSProp on both."""
    images, delta = Variable("images", (BATCH, INPUTS)), Variable("delta", (BATCH, UNITS))
    weights, mean_square = Variable("W", (INPUTS, UNITS)), Variable("accu", (INPUTS, UNITS))
    transposed = node("DimShuffle", [images], (INPUTS, BATCH), new_order=(1, 0))
    gradient = node("Dot22", [transposed.outputs[0], delta], (INPUTS, UNITS))
    scaled = node("Dot22Scalar", [transposed.outputs[0], delta, Variable("0.001")], (INPUTS, UNITS))
    mean = node("Elemwise", [mean_square, gradient.outputs[0]], (INPUTS, UNITS))
    new_weights = node("Elemwise", [weights, scaled.outputs[0], mean.outputs[0]], (INPUTS, UNITS))
    loss = node("Elemwise", [delta], ())
    nodes = [transposed, gradient, scaled, mean, new_weights, loss]
    return nodes, [mean.outputs[0], new_weights.outputs[0]]


def size_of(variable):
    size = 4
    for length in variable.shape:
        size *= length
    return Size(variable.shape, size)


def rows(nodes, new_values, names=None):
    graph = Graph(nodes, names or {}, new_values, size_of)
    return [graph.operation("train_step", one, 1, 1e-3) for one in nodes]


def test_a_product_that_is_computed_twice_shows_as_two_with_the_same_name_of_the_product(gradient_step):
    _, gradient, scaled, *_ = rows(*gradient_step)
    assert gradient.details["product"] == scaled.details["product"] == "images.T @ delta"
    assert gradient.details["inputs"][:2] == scaled.details["inputs"][:2] == ["images.T", "delta"]


def test_the_flop_of_a_product_are_2mnk(gradient_step):
    gradient = rows(*gradient_step)[1]
    assert gradient.flop == 2 * INPUTS * UNITS * BATCH
    assert (gradient.details["m"], gradient.details["n"], gradient.details["k"]) == (INPUTS, UNITS, BATCH)


def test_operands_that_the_operation_itself_transposes_count_as_transposed():
    a, b = Variable("h", (BATCH, INPUTS)), Variable("dz", (BATCH, UNITS))
    (row,) = rows([node("Product", [a, b], (INPUTS, UNITS), transpose_a=True, transpose_b=False, num_threads=2)], [])
    assert row.flop == 2 * INPUTS * UNITS * BATCH
    assert (row.details["product"], row.details["thread_team"]) == ("h.T @ dz", 2)


def test_a_product_that_skips_zeros_says_so_and_counts_as_a_whole_one():
    a, b = Variable("h", (BATCH, INPUTS)), Variable("w", (INPUTS, UNITS))
    (row,) = rows([node("Product", [a, b], (BATCH, UNITS), skip_zeros=True)], [])
    assert (row.details["skips_zeros"], row.flop) == (True, 2 * BATCH * INPUTS * UNITS)


def test_the_tiles_of_a_product_are_no_operand():
    a, b, tiles = Variable("h", (BATCH, INPUTS)), Variable("w", (INPUTS, UNITS)), Variable("tiles", (4,))
    (row,) = rows([node("Product", [a, b, tiles], (BATCH, UNITS))], [])
    assert (row.details["product"], row.details["k"]) == ("h @ w", INPUTS)


def test_the_sum_that_gemm_adds_to_is_no_operand():
    c, a, b = Variable("c", (BATCH, UNITS)), Variable("a", (BATCH, INPUTS)), Variable("b", (INPUTS, UNITS))
    scalars = Variable("1.0"), Variable("0.5")
    (row,) = rows([node("Gemm", [c, scalars[0], a, b, scalars[1]], (BATCH, UNITS))], [])
    assert (row.details["product"], row.details["k"]) == ("a @ b", INPUTS)


def test_elementwise_nodes_that_lead_to_new_parameters_alone_are_the_update(gradient_step):
    kinds = [row.kind for row in rows(*gradient_step)]
    assert kinds == ["host", "gemm", "gemm", "update", "update", "elementwise"]


def test_without_new_values_there_is_no_update(gradient_step):
    nodes, _ = gradient_step
    assert "update" not in [row.kind for row in rows(nodes, [])]


def test_bytes_are_those_of_each_array_once(gradient_step):
    transposed, *_, new_weights, _ = rows(*gradient_step)
    assert new_weights.bytes == 4 * 4 * INPUTS * UNITS  # three read, one written
    assert transposed.bytes == 0  # a view


def test_gathering_rows_does_not_read_the_others():
    dataset, order = Variable("images", (50_000, INPUTS)), Variable("rows", (BATCH,))
    (row,) = rows([node("Minibatch", [dataset, order], (BATCH, INPUTS))], [])
    assert (row.kind, row.bytes) == ("copy", 2 * 4 * BATCH * INPUTS)


@pytest.mark.parametrize(
    ("op", "kind"),
    [
        ("GpuDot22", "gemm"),
        ("mrg_uniform", "rng"),
        ("GPUA_mrg_uniform", "rng"),
        ("UniformRV", "rng"),
        ("CrossentropySoftmax1HotWithBiasDx", "softmax"),
        ("SoftmaxCrossentropy", "softmax"),
        ("Sum", "reduction"),
        ("GpuCAReduceCuda", "reduction"),
        ("Rmsprop", "update"),
        ("GpuFromHost", "copy"),
        ("InplaceDimShuffle", "elementwise"),  # no Op of that name: not known
    ],
)
def test_an_operation_is_of_the_kind_that_its_class_says(op, kind):
    (row,) = rows([node(op, [Variable("x", (3, 4))], (3, 4))], [])
    assert row.kind == kind


def test_an_unknown_class_is_reported():
    graph = Graph([node("Fourier", [Variable("x", (3,))], (3,))], {}, [], size_of)
    assert graph.unknown == {"Fourier"}


def test_the_source_is_the_innermost_line_outside_the_framework():
    asked = node("Dot22", [], (3, 3))
    asked.outputs[0].tag.trace = [
        [
            ("/home/someone/mlp/mlp/canonical.py", 45, "training_expressions", ""),
            ("/home/someone/mlp/.venv/lib/python3.11/site-packages/lasagne/layers/dense.py", 88, "get_output_for", ""),
            ("/home/someone/mlp/.venv/lib/python3.11/site-packages/theano/tensor/basic.py", 6000, "dot", ""),
        ]
    ]
    assert source_of(asked) == "lasagne/layers/dense.py:88"


def test_a_node_without_a_trace_has_no_source():
    assert source_of(node("Dot22", [], (3, 3))) is None
