/* Bias, ReLU and dropout in one pass over a layer's products. */

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
        int num_chunks = n < tuning::ONE_THREAD_ROWS ? 1 : num_threads;
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
