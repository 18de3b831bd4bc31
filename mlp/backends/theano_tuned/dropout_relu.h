/* Bias, ReLU and dropout in one pass over a layer's products, and their gradient in one pass over the outputs. */

/* Keep a unit where a random word is below this: |P(kept) - keep| <= 2**-33, or 2**-32 for a keep next to 1. */
static uint32_t keep_threshold(double keep) {
    double threshold = std::rint(keep * 4294967296.0);
    return threshold >= 4294967295.0 ? 4294967295u : (uint32_t)threshold;
}

struct DropoutRelu {
    int num_threads;
    double keep;
    uint32_t key0, key1;
    uint64_t step;

    /* In place: z (n, units) becomes max(z + bias, 0) / keep where kept, else 0.  NaN stays NaN.
     * The word of unit j in row i of a step is that of Philox's counter (16 * (j / 64) + j % 16, i, step), word
     * j / 16 % 4: it depends on neither the batch size nor the number of threads. */
    void forward(float* z, const float* bias, npy_intp n, npy_intp units) const {
        int num_chunks = n < 16 ? 1 : num_threads;
        mlp_team::parallel_for(num_threads, num_chunks, [=](int chunk) {
            npy_intp end = mlp_team::chunk_begin(n, chunk + 1, num_chunks);
            for (npy_intp row = mlp_team::chunk_begin(n, chunk, num_chunks); row < end; ++row)
                for (npy_intp first = 0; first < units; first += philox::TILE_WORDS) {
                    npy_intp width = std::min<npy_intp>(units - first, philox::TILE_WORDS);
                    if (keep == 1) relu(z + row * units + first, bias + first, width);
                    else dropped_relu(z + row * units + first, bias + first, width, row, first);
                }
        });
    }

    static void relu(float* __restrict__ z, const float* __restrict__ bias, npy_intp width) {
        for (npy_intp j = 0; j < width; ++j) {
            float activation = z[j] + bias[j];
            z[j] = activation <= 0 ? 0 : activation;
        }
    }

    void dropped_relu(float* __restrict__ z, const float* __restrict__ bias, npy_intp width, npy_intp row,
                      npy_intp first) const {
        const uint32_t threshold = keep_threshold(keep);
        const float scale = 1 / keep;
        alignas(64) uint32_t words[philox::TILE_WORDS];
        philox::draw_tile(key0, key1, first / 4, row, uint32_t(step), uint32_t(step >> 32), words);
        for (npy_intp j = 0; j < width; ++j) {
            float activation = z[j] + bias[j];
            bool passes = !(activation <= 0) & (words[j] < threshold);
            z[j] = passes ? activation * scale : 0;
        }
    }
};

/* In place: gradient (n, units) of the outputs h becomes that of the products: times 1/keep where h is not 0.  A unit
 * that was dropped and one that ReLU stopped both have h = 0, so nobody needs to keep the mask.  column_sums (units,):
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

/* All rows, and bias_gradient (units,), the sums of all columns: of blocks of rows in float32, of the blocks in float64,
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
