/* A matrix product that leaves out the zeros of its left factor.
 *
 * Four fifths of MNIST's pixels are exactly 0, and so are the units that ReLU stopped or dropout took, and the gradients
 * there.  A term with such a factor adds nothing to a sum, so only the others are computed: for each element of A that
 * is not 0, that many times a row of B.  One element of A serves a whole tile of C's row, so that this runs at half the
 * speed of a dense kernel for each multiplication: it pays below MAX_DENSITY.
 */

#include <stdlib.h>

namespace sparse {

const npy_intp TILE_COLUMNS = 64; /* of C, held in registers: four of AVX-512, eight of AVX2 */
const npy_intp BLOCK_DEPTH = 128; /* rows of B at a time: with TILE_COLUMNS they take 32 KiB, about the L1 cache */
const npy_intp PART_ROWS = 256;   /* rows of C that one chunk of work sums up, 64 KiB */
const npy_intp PANEL_ROWS = 512;  /* rows of A, as it is stored, at a time: it bounds the memory for the terms */
const npy_intp MIN_SIDE = 64;     /* smaller products are not worth listing the terms and rearranging B */
/* The share of A's elements that are not 0 above which the BLAS is as fast; see results/README.md for how it was
 * measured. */
const double MAX_DENSITY = 0.5;

#if defined(__AVX512F__)
const int WIDTH = 16;
#elif defined(__AVX__)
const int WIDTH = 8;
#else
const int WIDTH = 4;
#endif
typedef float Vector __attribute__((vector_size(4 * WIDTH)));

/* An element of A that is not 0, and where the row of B that it multiplies begins in its tile. */
struct Term {
    float factor;
    uint32_t begin;
};

/* c[TILE_COLUMNS] += the terms of one row; b and c are aligned. */
static void add_terms(const Term* term, const Term* end, const float* b, float* c) {
    const int VECTORS = TILE_COLUMNS / WIDTH;
    Vector* result = (Vector*)c;
    Vector sums[VECTORS];
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; ++v) sums[v] = result[v];
    for (; term < end; ++term) {
        const Vector* row = (const Vector*)(b + term->begin);
#pragma GCC unroll 16
        for (int v = 0; v < VECTORS; ++v) sums[v] += term->factor * row[v];
    }
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; ++v) result[v] = sums[v];
}

/* Memory that is kept from call to call.  Whoever calls an operation holds the GIL, so one of each kind will do. */
template <class T>
struct Scratch {
    T* data = nullptr;
    size_t capacity = 0;

    bool reserve(size_t size) {
        if (size <= capacity) return true;
        free(data);
        data = (T*)aligned_alloc(64, (size * sizeof(T) + 63) / 64 * 64);
        capacity = data ? size : 0;
        return data;
    }
};

/* How many of `size` numbers are not 0 (NaN is not, -0 is). */
static npy_intp count_nonzero(const float* a, npy_intp size) {
    uint32_t count = 0; /* half the width of npy_intp: twice the speed */
    for (npy_intp i = 0; i < size; ++i) count += a[i] != 0;
    return count;
}

/* The share of the rows * columns numbers that are not 0. */
static double density(int num_threads, const float* a, npy_intp rows, npy_intp columns) {
    const npy_intp ROWS = 64;
    const int num_chunks = std::min<npy_intp>((rows + ROWS - 1) / ROWS, 65535);
    std::vector<npy_intp> counts(num_chunks);
    npy_intp* count = counts.data();
    mlp_team::parallel_for(num_threads, num_chunks, [=](int chunk) {
        npy_intp first = mlp_team::chunk_begin(rows, chunk, num_chunks);
        npy_intp end = mlp_team::chunk_begin(rows, chunk + 1, num_chunks);
        count[chunk] = count_nonzero(a + first * columns, (end - first) * columns);
    });
    npy_intp total = 0;
    for (npy_intp part : counts) total += part;
    return double(total) / (double(rows) * columns);
}

/* C (m, n) = op(A) B', or += where `add`: A and C as in Product; B' (k, n) has these strides. */
struct Panel {
    npy_intp m, n, k;
    const float* a;
    npy_intp a_row_stride, a_inner_stride;
    const float* b;
    npy_intp b_inner_stride, b_column_stride;
    float* c;
    bool add;

    Term* terms;          /* of block 0, then of block 1, ...; within a block those of row 0, then of row 1, ... */
    uint32_t* row_begins; /* (num_blocks, m + 1): where the terms of a block's rows begin, counted from the block's */
    float* tiles;         /* (num_tiles, k, TILE_COLUMNS): B, the last tile filled up with zeros */

    npy_intp num_blocks() const { return (k + BLOCK_DEPTH - 1) / BLOCK_DEPTH; }
    npy_intp num_tiles() const { return (n + TILE_COLUMNS - 1) / TILE_COLUMNS; }
    npy_intp block_begin(npy_intp block) const { return mlp_team::chunk_begin(k, block, num_blocks()); }
    Term* terms_of(npy_intp block) const { return terms + m * block_begin(block) + block; }

    /* Every element is written and the place moves on behind those that are not 0: without a branch to predict. */
    void list_terms(npy_intp block) const {
        const npy_intp first = block_begin(block), depth = block_begin(block + 1) - first;
        Term* const block_terms = terms_of(block);
        uint32_t* begins = row_begins + block * (m + 1);
        uint32_t count = 0;
        for (npy_intp row = 0; row < m; ++row) {
            begins[row] = count;
            const float* element = a + row * a_row_stride + first * a_inner_stride;
            for (npy_intp i = 0; i < depth; ++i, element += a_inner_stride) {
                block_terms[count] = {*element, (uint32_t)(i * TILE_COLUMNS)};
                count += *element != 0;
            }
        }
        begins[m] = count;
    }

    void fill_tile(npy_intp tile) const {
        const npy_intp column = tile * TILE_COLUMNS, width = std::min(TILE_COLUMNS, n - column);
        const float* from = b + column * b_column_stride;
        float* to = tiles + tile * k * TILE_COLUMNS;
        for (npy_intp i = 0; i < k; ++i, from += b_inner_stride, to += TILE_COLUMNS) {
            for (npy_intp j = 0; j < width; ++j) to[j] = from[j * b_column_stride];
            std::fill(to + width, to + TILE_COLUMNS, 0.0f);
        }
    }

    /* One tile's columns of rows [row, end), at most PART_ROWS. */
    void multiply(npy_intp tile, npy_intp row, npy_intp end) const {
        alignas(64) float sums[PART_ROWS * TILE_COLUMNS];
        std::fill(sums, sums + (end - row) * TILE_COLUMNS, 0.0f);
        for (npy_intp block = 0; block < num_blocks(); ++block) {
            const Term* block_terms = terms_of(block);
            const uint32_t* begins = row_begins + block * (m + 1);
            const float* rows_of_b = tiles + (tile * k + block_begin(block)) * TILE_COLUMNS;
            for (npy_intp i = row; i < end; ++i)
                add_terms(block_terms + begins[i], block_terms + begins[i + 1], rows_of_b,
                          sums + (i - row) * TILE_COLUMNS);
        }
        const npy_intp column = tile * TILE_COLUMNS, width = std::min(TILE_COLUMNS, n - column);
        for (npy_intp i = row; i < end; ++i) {
            const float* sum = sums + (i - row) * TILE_COLUMNS;
            float* result = c + i * n + column;
            if (add) for (npy_intp j = 0; j < width; ++j) result[j] += sum[j];
            else std::copy(sum, sum + width, result);
        }
    }

    void compute(int num_threads) const {
        const npy_intp blocks = num_blocks(), num = num_tiles();
        mlp_team::parallel_for(num_threads, blocks + num, [=](int chunk) {
            if (chunk < blocks) list_terms(chunk);
            else fill_tile(chunk - blocks);
        });
        const npy_intp least = (m + PART_ROWS - 1) / PART_ROWS, wanted = (2 * num_threads + num - 1) / num;
        const int parts = std::max(least, wanted);
        mlp_team::parallel_for(num_threads, num * parts, [=](int chunk) {
            int part = chunk % parts;
            multiply(chunk / parts, mlp_team::chunk_begin(m, part, parts), mlp_team::chunk_begin(m, part + 1, parts));
        });
    }
};

/* Whether zeros are worth looking for, and then whether there are enough of them. */
static bool pays(int num_threads, const Product& product) {
    if (product.m < MIN_SIDE || product.n < MIN_SIDE || product.k < MIN_SIDE) return false;
    return density(num_threads, product.a, product.m, product.k) <= MAX_DENSITY;
}

/* False if there is no memory for it. */
static bool compute(int num_threads, const Product& whole) {
    static Scratch<Term> terms;
    static Scratch<uint32_t> row_begins;
    static Scratch<float> tiles;
    const npy_intp stored_rows = whole.transpose_a ? whole.k : whole.m;
    const int num_panels = (stored_rows + PANEL_ROWS - 1) / PANEL_ROWS;
    for (int number = 0; number < num_panels; ++number) {
        const npy_intp first = mlp_team::chunk_begin(stored_rows, number, num_panels);
        const npy_intp rows = mlp_team::chunk_begin(stored_rows, number + 1, num_panels) - first;
        Panel panel = {whole.m, whole.n, whole.k,
                       whole.a, whole.transpose_a ? 1 : whole.k, whole.transpose_a ? whole.m : 1,
                       whole.b, whole.transpose_b ? 1 : whole.n, whole.transpose_b ? whole.k : 1,
                       whole.c, false, nullptr, nullptr, nullptr};
        if (whole.transpose_a) { /* part of every sum */
            panel.k = rows;
            panel.a += first * panel.a_inner_stride;
            panel.b += first * panel.b_inner_stride;
            panel.add = number > 0;
        } else { /* some of the sums */
            panel.m = rows;
            panel.a += first * panel.a_row_stride;
            panel.c += first * panel.n;
        }
        if (!terms.reserve(panel.m * panel.k + panel.num_blocks()) ||
            !row_begins.reserve(panel.num_blocks() * (panel.m + 1)) ||
            !tiles.reserve(panel.num_tiles() * panel.k * TILE_COLUMNS)) return false;
        panel.terms = terms.data;
        panel.row_begins = row_begins.data;
        panel.tiles = tiles.data;
        panel.compute(num_threads);
    }
    return true;
}

} /* namespace sparse */
