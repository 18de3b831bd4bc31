/* The gradient of bias, ReLU and dropout in one pass over the outputs. */

/* In place: gradient (n, units) of the outputs h becomes that of the products: times 1/keep where h is not 0.  A unit
 * dropped by the mask and one zeroed by ReLU both have h = 0, so the mask need not be stored.  column_sums (units,):
 * of these rows, in float32. */
static void pass_gradient(float scale, const float* __restrict__ h, float* __restrict__ gradient,
                          float* __restrict__ column_sums, npy_intp rows, npy_intp units) {
    std::fill(column_sums, column_sums + units, 0);
    for (npy_intp row = 0; row < rows; ++row, h += units, gradient += units)
        for (npy_intp j = 0; j < units; ++j) {
            float passed = h[j] != 0 ? gradient[j] * scale : 0;
            gradient[j] = passed;
            column_sums[j] += passed;
        }
}

/* All rows, and bias_gradient (units,), the sums of all columns: of blocks of rows in float32, of blocks in float64,
 * so that rounding does not grow with the batch and does not depend on the number of threads. */
static void dropout_relu_backward(int num_threads, double keep, const float* h, float* gradient, float* bias_gradient,
                                  npy_intp n, npy_intp units) {
    const npy_intp BLOCK_ROWS = 64, num_blocks = (n + BLOCK_ROWS - 1) / BLOCK_ROWS;
    std::vector<float> block_sums(num_blocks * units);
    float* sums_of_block = block_sums.data();
    mlp_team::parallel_for(num_threads, num_threads, [=](int chunk) {
        npy_intp end = mlp_team::chunk_begin(num_blocks, chunk + 1, num_threads);
        for (npy_intp block = mlp_team::chunk_begin(num_blocks, chunk, num_threads); block < end; ++block) {
            npy_intp row = block * BLOCK_ROWS;
            pass_gradient(1 / keep, h + row * units, gradient + row * units, sums_of_block + block * units,
                          std::min(BLOCK_ROWS, n - row), units);
        }
    });
    std::vector<double> sums(units);
    for (npy_intp block = 0; block < num_blocks; ++block)
        for (npy_intp j = 0; j < units; ++j) sums[j] += block_sums[block * units + j];
    std::copy(sums.begin(), sums.end(), bias_gradient);
}
