/* RMSProp over all parameters in one pass. */

/* Parameter array with its accumulator and gradient. */
struct Parameter {
    float *value, *accumulator;
    const float* gradient;
    npy_intp size;
};

struct Rmsprop {
    float learning_rate, rho, one_minus_rho, epsilon;

    void update(float* __restrict__ p, float* __restrict__ accu, const float* __restrict__ g, npy_intp size) const {
        const Rmsprop constants = *this; /* a copy: for all the compiler knows, writing p could change *this */
        for (npy_intp i = 0; i < size; ++i) {
            float mean_square = constants.rho * accu[i] + constants.one_minus_rho * (g[i] * g[i]);
            accu[i] = mean_square;
            p[i] -= constants.learning_rate * g[i] / sqrtf(mean_square + constants.epsilon);
        }
    }

    /* Every array is cut into blocks of at most BLOCK numbers, which the team shares. */
    void update_all(int num_threads, const std::vector<Parameter>& parameters) const {
        const npy_intp BLOCK = tuning::UPDATE_BLOCK;
        std::vector<std::pair<int, npy_intp>> blocks; /* (array, first number) */
        for (size_t i = 0; i < parameters.size(); ++i)
            for (npy_intp first = 0; first < parameters[i].size; first += BLOCK) blocks.push_back({(int)i, first});
        int num_chunks = std::min<size_t>(blocks.size(), 65535);
        mlp_team::parallel_for(num_threads, num_chunks, [&](int chunk) {
            for (size_t block = chunk; block < blocks.size(); block += num_chunks) {
                const Parameter& array = parameters[blocks[block].first];
                npy_intp first = blocks[block].second;
                update(array.value + first, array.accumulator + first, array.gradient + first,
                       std::min(BLOCK, array.size - first));
            }
        });
    }
};
