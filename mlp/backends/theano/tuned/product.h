/* A matrix product divided into parts that free threads of the team take, each a call of a single-threaded BLAS.
 *
 * OpenBLAS's own threads wait for each other inside a product: when the system preempts one core for a moment, all
 * of them stall.  Our parts share nothing.
 */

extern "C" {
void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*, const float*, const int*,
            const float*, const int*, const float*, float*, const int*);
int scipy_openblas_get_num_threads(void);
void scipy_openblas_set_num_threads(int);
}

/* While it lives the BLAS uses the calling thread only. */
struct SingleThreadedBlas {
    const int num_threads = scipy_openblas_get_num_threads();
    SingleThreadedBlas() { if (num_threads != 1) scipy_openblas_set_num_threads(1); }
    ~SingleThreadedBlas() { if (num_threads != 1) scipy_openblas_set_num_threads(num_threads); }
};

/* Row-major C (m, n) = op(A) op(B), inner dimension k; a transposed operand lies in memory as (k, m) or (n, k). */
struct Product {
    static const npy_intp KERNEL = 4; /* parts begin at multiples of it */
    bool transpose_a, transpose_b;
    npy_intp m, n, k;
    const float *a, *b;
    float* c;

    /* Of A as it lies in memory. */
    npy_intp a_rows() const { return transpose_a ? k : m; }
    npy_intp a_columns() const { return transpose_a ? m : k; }

    /* Only rows [row, row + rows) and columns [column, column + columns) of C. */
    void part(npy_intp row, npy_intp rows, npy_intp column, npy_intp columns) const {
        if (rows == 0 || columns == 0) return;
        /* Fortran reads our row-major arrays as their transposes: C.T = op(B).T op(A).T. */
        const int fortran_m = columns, fortran_n = rows, fortran_k = k;
        const int stride_a = a_columns(), stride_b = transpose_b ? k : n, stride_c = n;
        const float one = 1, zero = 0;
        sgemm_(transpose_b ? "T" : "N", transpose_a ? "T" : "N", &fortran_m, &fortran_n, &fortran_k, &one,
               b + (transpose_b ? column * k : column), &stride_b, a + (transpose_a ? row : row * k), &stride_a, &zero,
               c + row * n + column, &stride_c);
    }

    /* How many parts the rows are cut into, and the columns the rest of num_threads: the grid whose parts have the
     * shortest sides, because each thread copies a strip of A and one of B for the kernel. */
    int parts_of_rows(int num_threads) const {
        int best = num_threads;
        for (int rows = num_threads; rows >= 1; --rows) {
            if (num_threads % rows) continue;
            auto sides = [&](int r) { return double(m) / r + double(n) * r / num_threads; };
            if (sides(rows) < sides(best)) best = rows;
        }
        return best;
    }

    /* Whether OpenBLAS multiplies each of so many parts where it lies, as its kernels for AVX-512 do with small ones
     * (version 0.3.30, kernel/x86_64/sgemm_small_kernel_permit_skylakex.c).  Larger ones it copies first: for a few
     * examples it would copy a whole matrix of weights. */
    bool small(int num_parts) const {
#if defined(__AVX512F__)
        const int down = parts_of_rows(num_parts), across = num_parts / down;
        const double rows = down > 1 ? m / down + KERNEL : m, columns = across > 1 ? n / across + KERNEL : n;
        if (transpose_b && !transpose_a && (columns * rows > 1200 || k < 32)) return false;
        return rows * columns * k <= tuning::SMALL_PART_MULTIPLICATIONS;
#else
        return false;
#endif
    }

    /* As many as there are threads, or for a small batch so many more that each is small. */
    int num_parts(int num_threads) const {
        if (m * n * k < tuning::ONE_THREAD_MULTIPLICATIONS) return 1;
        for (int parts = num_threads; parts <= tuning::MAX_PARTS; parts *= 2)
            if (small(parts)) return parts;
        return num_threads;
    }

    void compute(int num_threads) const {
        SingleThreadedBlas single;
        const int num_parts = this->num_parts(num_threads);
        const int down = parts_of_rows(num_parts), across = num_parts / down;
        mlp_team::parallel_for(num_threads, num_parts, [=](int i) {
            npy_intp row = mlp_team::chunk_begin(m, i / across, down, KERNEL);
            npy_intp column = mlp_team::chunk_begin(n, i % across, across, KERNEL);
            part(row, mlp_team::chunk_begin(m, i / across + 1, down, KERNEL) - row, column,
                 mlp_team::chunk_begin(n, i % across + 1, across, KERNEL) - column);
        });
    }
};
