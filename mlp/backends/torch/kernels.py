"""Triton kernels of a training step, with bias, ReLU, dropout, loss and RMSProp fused into the products.

Weights are PyTorch's, float32 (units, inputs).  ``PRECISION`` is that of the products: ``ieee`` is full float32,
``tf32`` TF32, and ``bfloat16`` rounds the factors; sums are float32 in each.  A program computes a tile of its output.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def add_product(total, a, b, PRECISION: tl.constexpr):
    """Return total + a @ b."""
    if PRECISION == "bfloat16":
        total = tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16), total)
    else:
        total = tl.dot(a, b, total, input_precision=PRECISION)
    return total


@triton.jit
def load_tile(matrix, row, column, num_rows, num_columns):
    """Return matrix[row, column], 0 outside of (num_rows, num_columns)."""
    return tl.load(matrix + row * num_columns + column, mask=(row < num_rows) & (column < num_columns), other=0.0)


@triton.jit
def outputs_of(inputs, weights, biases, row, unit, num_rows, num_inputs, num_units,
               PRECISION: tl.constexpr, ROWS: tl.constexpr, UNITS: tl.constexpr, DEPTH: tl.constexpr):  # fmt: skip
    """Return inputs @ weights.T + biases for a tile of ``row``, (ROWS, 1), and ``unit``, (1, UNITS)."""
    total = tl.zeros((ROWS, UNITS), tl.float32)
    for start in range(0, num_inputs, DEPTH):
        k = start + tl.arange(0, DEPTH)
        a = load_tile(inputs, row, k[None, :], num_rows, num_inputs)
        b = tl.load(weights + unit * num_inputs + k[:, None], mask=(unit < num_units) & (k[:, None] < num_inputs),
                    other=0.0)  # fmt: skip
        total = add_product(total, a, b, PRECISION)
    return total + tl.load(biases + unit, mask=unit < num_units, other=0.0)


@triton.jit
def hidden_layer(inputs, weights, biases, outputs, random_state, layer, num_rows, num_inputs, num_units,
                 KEEP: tl.constexpr, PRECISION: tl.constexpr, ROWS: tl.constexpr, UNITS: tl.constexpr,
                 DEPTH: tl.constexpr):  # fmt: skip
    """Write dropout(relu(inputs @ weights.T + biases)), (num_rows, num_units).

    ``random_state``, int64 (2,), is the seed and the number of the step.  They and the layer are the key of Philox, the
    unit's position its counter.
    """
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    unit = tl.program_id(1) * UNITS + tl.arange(0, UNITS)[None, :]
    total = outputs_of(inputs, weights, biases, row, unit, num_rows, num_inputs, num_units, PRECISION, ROWS, UNITS,
                       DEPTH)  # fmt: skip
    total = tl.maximum(total, 0.0)
    if KEEP < 1.0:
        key = tl.load(random_state) | ((tl.load(random_state + 1) * 16 + layer) << 32)
        total = tl.where(tl.rand(key, row * num_units + unit) < KEEP, total / KEEP, 0.0)
    tl.store(outputs + row * num_units + unit, total, mask=(row < num_rows) & (unit < num_units))


@triton.jit
def output_layer(inputs, weights, biases, labels, losses, gradient, num_rows, num_inputs, num_classes,
                 PRECISION: tl.constexpr, ROWS: tl.constexpr, UNITS: tl.constexpr, DEPTH: tl.constexpr):  # fmt: skip
    """Write each row's cross-entropy and the gradient of their mean in the outputs, (num_rows, num_classes).

    UNITS is at least ``num_classes``: a program has whole rows.
    """
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    unit = tl.arange(0, UNITS)[None, :]
    total = outputs_of(inputs, weights, biases, row, unit, num_rows, num_inputs, num_classes, PRECISION, ROWS, UNITS,
                       DEPTH)  # fmt: skip
    total = tl.where(unit < num_classes, total, float("-inf"))
    total = total - tl.max(total, 1)[:, None]
    exponentials = tl.exp(total)
    sums = tl.sum(exponentials, 1)[:, None]
    is_label = unit == tl.load(labels + row, mask=row < num_rows, other=0)
    loss = tl.log(sums) - tl.sum(tl.where(is_label, total, 0.0), 1)[:, None]
    tl.store(losses + row, loss, mask=row < num_rows)
    found = (exponentials / sums - tl.where(is_label, 1.0, 0.0)) / num_rows
    tl.store(gradient + row * num_classes + unit, found, mask=(row < num_rows) & (unit < num_classes))


@triton.jit
def hidden_gradient(gradient_above, weights_above, outputs, gradient, num_rows, num_units, num_units_above,
                    KEEP: tl.constexpr, PRECISION: tl.constexpr, ROWS: tl.constexpr, UNITS: tl.constexpr,
                    DEPTH: tl.constexpr):  # fmt: skip
    """Write the gradient before ReLU and dropout, (num_rows, num_units); a dropped unit is 0 in ``outputs``."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    unit = tl.program_id(1) * UNITS + tl.arange(0, UNITS)[None, :]
    total = tl.zeros((ROWS, UNITS), tl.float32)
    for start in range(0, num_units_above, DEPTH):
        k = start + tl.arange(0, DEPTH)
        a = load_tile(gradient_above, row, k[None, :], num_rows, num_units_above)
        b = load_tile(weights_above, k[:, None], unit, num_units_above, num_units)
        total = add_product(total, a, b, PRECISION)
    is_active = load_tile(outputs, row, unit, num_rows, num_units) > 0
    total = tl.where(is_active, total / KEEP, 0.0)
    tl.store(gradient + row * num_units + unit, total, mask=(row < num_rows) & (unit < num_units))


@triton.jit
def rmsprop(parameter, accumulator, gradient, position, is_inside, RATE: tl.constexpr, RHO: tl.constexpr,
            EPSILON: tl.constexpr):  # fmt: skip
    """Apply accu = rho * accu + (1 - rho) * g**2; p -= rate * g / sqrt(accu + epsilon) at ``position``."""
    accu = RHO * tl.load(accumulator + position, mask=is_inside, other=0.0) + (1 - RHO) * gradient * gradient
    moved = tl.load(parameter + position, mask=is_inside, other=0.0) - RATE * gradient / tl.sqrt(accu + EPSILON)
    tl.store(accumulator + position, accu, mask=is_inside)
    tl.store(parameter + position, moved, mask=is_inside)


@triton.jit
def update_layer(gradient, inputs, weights, biases, weight_accumulator, bias_accumulator, num_rows, num_units,
                 num_inputs, RATE: tl.constexpr, RHO: tl.constexpr, EPSILON: tl.constexpr, PRECISION: tl.constexpr,
                 ROWS: tl.constexpr, UNITS: tl.constexpr, DEPTH: tl.constexpr):  # fmt: skip
    """Update weights, (num_units, num_inputs), by gradient.T @ inputs, and biases by the sum over the rows.

    A tile is (ROWS, UNITS) of the weights; the programs of its first column update the biases.
    """
    unit = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * UNITS + tl.arange(0, UNITS)[None, :]
    total, sums = tl.zeros((ROWS, UNITS), tl.float32), tl.zeros((ROWS,), tl.float32)
    for start in range(0, num_rows, DEPTH):
        k = start + tl.arange(0, DEPTH)
        a = tl.load(gradient + k[None, :] * num_units + unit[:, None],
                    mask=(k[None, :] < num_rows) & (unit[:, None] < num_units), other=0.0)  # fmt: skip
        b = load_tile(inputs, k[:, None], column, num_rows, num_inputs)
        total = add_product(total, a, b, PRECISION)
        sums += tl.sum(a, 1)
    inside = (unit[:, None] < num_units) & (column < num_inputs)
    rmsprop(weights, weight_accumulator, total, unit[:, None] * num_inputs + column, inside, RATE, RHO, EPSILON)
    if tl.program_id(1) == 0:
        rmsprop(biases, bias_accumulator, sums, unit, unit < num_units, RATE, RHO, EPSILON)
