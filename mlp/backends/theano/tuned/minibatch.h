/* Rows of a matrix, and of its labels, copied together. */

/* to[i] = from[rows[i]] for rows of `width` floats; the caller has checked every index. */
static void gather_rows(int num_threads, const float* from, const npy_int32* labels, const npy_int64* rows,
                        npy_intp num_rows, npy_intp width, float* to, npy_int32* to_labels) {
    int num_chunks = num_rows * width < tuning::ONE_THREAD_COPIES ? 1 : 2 * num_threads;
    mlp_team::parallel_for(num_threads, num_chunks, [=](int chunk) {
        npy_intp end = mlp_team::chunk_begin(num_rows, chunk + 1, num_chunks);
        for (npy_intp i = mlp_team::chunk_begin(num_rows, chunk, num_chunks); i < end; ++i) {
            memcpy(to + i * width, from + rows[i] * width, width * sizeof(float));
            to_labels[i] = labels[rows[i]];
        }
    });
}

/* The first index that is not in [0, size), or -1. */
static npy_intp first_outside(const npy_int64* rows, npy_intp num_rows, npy_intp size) {
    for (npy_intp i = 0; i < num_rows; ++i)
        if (rows[i] < 0 || rows[i] >= size) return i;
    return -1;
}
