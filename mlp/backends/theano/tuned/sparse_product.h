/* A matrix product that skips the zeros of its left factor.
 *
 * Four fifths of MNIST's pixels are exactly 0, and so are units that ReLU stopped or dropout took, and the gradients
 * there.  A term with such a factor adds nothing to a sum, so only the others are computed: each element of A that is
 * not 0 times its row of B.  For each multiplication that takes about twice the time of a dense kernel, which uses what
 * it has loaded for several rows of A.
 *
 * 0 times a weight that is not finite is then 0 and not NaN.  That hides no divergence: a gradient that is not finite
 * reaches the biases too, whose sums leave nothing out; and a weight that is not finite shows in the loss as soon as
 * its input is not 0.  An input that is not finite is never left out.
 */
#include <stdlib.h>

namespace sparse {

const npy_intp TILE_COLUMNS = 64; /* of C, held in registers: four of AVX-512, eight of AVX2 */
const npy_intp BLOCK_WORDS = 2;   /* of A's columns at a time: 128 rows of a tile of B are 32 KiB, about the L1 cache */
const npy_intp BLOCK_DEPTH = BLOCK_WORDS * WORD;
const npy_intp PART_ROWS = 256;  /* rows of C that one chunk of work sums up, 64 KiB */
const npy_intp PANEL_ROWS = 512; /* rows of A, as it is stored, at a time: it bounds the memory for the terms */

/* Where the BLAS is as fast.  Measured with two threads on Zen 4, medians of 60 alternating calls: with a fifth of A
 * not 0 the five large canonical products take 0.39 to 0.43 of the BLAS's time, with half of it 0.76 to 0.79, and would
 * break even at about two thirds; on a busy machine at 0.35 to 0.5.  At a fifth, 96 x 96 x 96 takes 1.4 times as long
 * as the BLAS, and 128 x 128 x 128 0.6 times. */
const double MAX_DENSITY = 0.5; /* share of A's elements that are not 0 */
const npy_intp MIN_SIDE = 64;
const double MIN_MULTIPLICATIONS = 1 << 21;

#if defined(__AVX512F__)
const int WIDTH = 16;
#elif defined(__AVX__)
const int WIDTH = 8;
#else
const int WIDTH = 4;
#endif
typedef float Vector __attribute__((vector_size(4 * WIDTH), may_alias));

/* An element of A that is not 0, and where the row of B that it multiplies begins in its block. */
struct Term {
    float factor;
    uint32_t begin;
};

/* sums (TILE_COLUMNS,) += the terms of one row; b and sums are aligned. */
static void add_terms(const Term* term, const Term* end, const float* b, float* sums) {
    const int VECTORS = TILE_COLUMNS / WIDTH;
    Vector* stored = (Vector*)sums;
    Vector sum[VECTORS];
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; ++v) sum[v] = stored[v];
    for (; term < end; ++term) {
        const Vector* row = (const Vector*)(b + term->begin);
#pragma GCC unroll 16
        for (int v = 0; v < VECTORS; ++v) sum[v] += term->factor * row[v];
    }
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; ++v) stored[v] = sum[v];
}

/* Aligned memory that is kept from call to call.  Callers of operations hold the GIL, so one of each kind will do. */
template <class T>
struct Scratch {
    T* data = nullptr;
    npy_intp capacity = 0;

    /* False if there is not so much memory. */
    bool reserve(npy_intp size) {
        if (size <= capacity) return true;
        free(data);
        data = (T*)aligned_alloc(64, (size * sizeof(T) + 63) / 64 * 64);
        capacity = data ? size : 0;
        return data;
    }
};

/* C (m, n) = A' B', or += where `add`: A' and B' are parts of op(A) and op(B), with these strides. */
struct Panel {
    npy_intp m, n, k;
    const float* a;
    npy_intp a_row_stride, a_column_stride;
    const float* b;
    npy_intp b_row_stride, b_column_stride;
    float* c;
    bool add;
    bool transposed; /* the bits are those of A' transposed */
    Bitmap bits;

    Term* terms;          /* (m * k,): of block 0, then of block 1, ...; in a block of row 0, then of row 1, ... */
    uint32_t* row_begins; /* (num_blocks, m + 1): where the terms of a block's rows begin, counted from the block's */
    float* tiles;         /* (num_tiles, k, TILE_COLUMNS): B', the last tile filled up with zeros */

    npy_intp num_blocks() const { return (k + BLOCK_DEPTH - 1) / BLOCK_DEPTH; }
    npy_intp num_tiles() const { return (n + TILE_COLUMNS - 1) / TILE_COLUMNS; }

    /* The bits of 64 rows from `row`, each of the 64 columns from 64 * `word`. */
    void square(npy_intp row, npy_intp word, uint64_t square_bits[WORD]) const {
        if (!transposed) return bits.square(row, word, square_bits);
        bits.square(word * WORD, row / WORD, square_bits);
        transpose_bits(square_bits);
    }

    void list_terms(npy_intp block) const {
        uint64_t squares[BLOCK_WORDS][WORD];
        const float* block_a = a + block * BLOCK_DEPTH * a_column_stride;
        uint32_t* begins = row_begins + block * (m + 1);
        Term* const first = terms + m * block * BLOCK_DEPTH;
        Term* term = first;
        for (npy_intp row = 0; row < m; ++row) {
            begins[row] = term - first;
            if (row % WORD == 0)
                for (npy_intp word = 0; word < BLOCK_WORDS; ++word)
                    square(row, block * BLOCK_WORDS + word, squares[word]);
            for (npy_intp word = 0; word < BLOCK_WORDS; ++word)
                for (uint64_t left = squares[word][row % WORD]; left; left &= left - 1) {
                    npy_intp column = word * WORD + __builtin_ctzll(left);
                    *term++ = {block_a[row * a_row_stride + column * a_column_stride],
                               (uint32_t)(column * TILE_COLUMNS)};
                }
        }
        begins[m] = term - first;
    }

    void fill_tile(npy_intp tile) const {
        const npy_intp column = tile * TILE_COLUMNS, width = std::min(TILE_COLUMNS, n - column);
        const float* from = b + column * b_column_stride;
        float* to = tiles + tile * k * TILE_COLUMNS;
        for (npy_intp row = 0; row < k; ++row, from += b_row_stride, to += TILE_COLUMNS) {
            for (npy_intp j = 0; j < width; ++j) to[j] = from[j * b_column_stride];
            std::fill(to + width, to + TILE_COLUMNS, 0.0f);
        }
    }

    /* A tile's columns of C's rows [first, end), at most PART_ROWS. */
    void multiply(npy_intp tile, npy_intp first, npy_intp end) const {
        alignas(64) float sums[PART_ROWS * TILE_COLUMNS];
        std::fill(sums, sums + (end - first) * TILE_COLUMNS, 0.0f);
        for (npy_intp block = 0; block < num_blocks(); ++block) {
            const Term* block_terms = terms + m * block * BLOCK_DEPTH;
            const uint32_t* begins = row_begins + block * (m + 1);
            const float* block_b = tiles + (tile * k + block * BLOCK_DEPTH) * TILE_COLUMNS;
            for (npy_intp row = first; row < end; ++row)
                add_terms(block_terms + begins[row], block_terms + begins[row + 1], block_b,
                          sums + (row - first) * TILE_COLUMNS);
        }
        const npy_intp column = tile * TILE_COLUMNS, width = std::min(TILE_COLUMNS, n - column);
        for (npy_intp row = first; row < end; ++row) {
            const float* sum = sums + (row - first) * TILE_COLUMNS;
            float* result = c + row * n + column;
            for (npy_intp j = 0; j < width; ++j) result[j] = add ? result[j] + sum[j] : sum[j];
        }
    }

    void compute(int num_threads) const {
        const npy_intp blocks = num_blocks(), num = num_tiles();
        mlp_team::parallel_for(num_threads, blocks + num, [=](int chunk) {
            if (chunk < blocks) list_terms(chunk);
            else fill_tile(chunk - blocks);
        });
        const int parts = std::max((m + PART_ROWS - 1) / PART_ROWS, (2 * num_threads + num - 1) / num);
        mlp_team::parallel_for(num_threads, num * parts, [=](int chunk) {
            int part = chunk % parts;
            multiply(chunk / parts, mlp_team::chunk_begin(m, part, parts), mlp_team::chunk_begin(m, part + 1, parts));
        });
    }
};

/* All of A's bits; returns the share of its elements that are not 0. */
static double fill_bitmap(int num_threads, const Bitmap& bits, const float* a) {
    const int num_chunks = std::min<npy_intp>((bits.rows + WORD - 1) / WORD, 65535);
    std::vector<npy_intp> counts(num_chunks);
    npy_intp* count = counts.data();
    mlp_team::parallel_for(num_threads, num_chunks, [=](int chunk) {
        count[chunk] = bits.fill(a, mlp_team::chunk_begin(bits.rows, chunk, num_chunks),
                                 mlp_team::chunk_begin(bits.rows, chunk + 1, num_chunks));
    });
    double total = 0;
    for (npy_intp part : counts) total += part;
    return total / bits.rows / bits.columns;
}

/* The contribution of rows [first, first + rows) of A, as it is stored, to the product: some rows of C, or, of a
 * transposed A, a part of every sum. */
static Panel panel_of(const Product& product, const Bitmap& bits, npy_intp first, npy_intp rows) {
    const bool ta = product.transpose_a, tb = product.transpose_b;
    Panel panel = {};
    panel.m = ta ? product.m : rows;
    panel.n = product.n;
    panel.k = ta ? rows : product.k;
    panel.a = product.a + first * bits.columns;
    panel.a_row_stride = ta ? 1 : bits.columns;
    panel.a_column_stride = ta ? bits.columns : 1;
    panel.b_row_stride = tb ? 1 : product.n;
    panel.b_column_stride = tb ? product.k : 1;
    panel.b = product.b + (ta ? first * panel.b_row_stride : 0);
    panel.c = product.c + (ta ? 0 : first * product.n);
    panel.add = ta && first > 0;
    panel.transposed = ta;
    panel.bits = {rows, bits.columns, bits.words + first * bits.row_words()};
    return panel;
}

/* Computes the product, or returns false to leave it to the BLAS: A has too few zeros, the product is too small to
 * look for them, or there is not enough memory. */
static bool multiply(int num_threads, const Product& product) {
    static Scratch<uint64_t> words;
    static Scratch<Term> terms;
    static Scratch<uint32_t> row_begins;
    static Scratch<float> tiles;
    if (std::min({product.m, product.n, product.k}) < MIN_SIDE ||
        double(product.m) * product.n * product.k < MIN_MULTIPLICATIONS) return false;
    Bitmap bits = {product.transpose_a ? product.k : product.m, product.transpose_a ? product.m : product.k, nullptr};
    if (!words.reserve(bits.rows * bits.row_words())) return false;
    bits.words = words.data;
    if (!(fill_bitmap(num_threads, bits, product.a) <= MAX_DENSITY)) return false;
    const int num_panels = (bits.rows + PANEL_ROWS - 1) / PANEL_ROWS;
    for (int number = 0; number < num_panels; ++number) {
        npy_intp first = mlp_team::chunk_begin(bits.rows, number, num_panels);
        npy_intp rows = mlp_team::chunk_begin(bits.rows, number + 1, num_panels) - first;
        Panel panel = panel_of(product, bits, first, rows);
        if (!terms.reserve(panel.m * panel.k) || !row_begins.reserve(panel.num_blocks() * (panel.m + 1)) ||
            !tiles.reserve(panel.num_tiles() * panel.k * TILE_COLUMNS)) return false;
        panel.terms = terms.data;
        panel.row_begins = row_begins.data;
        panel.tiles = tiles.data;
        panel.compute(num_threads);
    }
    return true;
}

} /* namespace sparse */
