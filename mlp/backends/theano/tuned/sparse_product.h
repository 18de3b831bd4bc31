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

const npy_intp BLOCK_WORDS = tuning::BLOCK_ROWS / WORD;
const npy_intp BLOCK_DEPTH = tuning::BLOCK_ROWS;

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

/* A row's terms, counted from the first one of their block. */
struct Range {
    uint32_t begin, end;
};

/* The term's factor in every lane, and `begin`.  The kernel is bound by loads, so that both come by one. */
static inline Vector load_term(const Term* term, uint64_t* begin) {
#if defined(__AVX2__) && defined(__x86_64__)
    const __m128i both = _mm_loadl_epi64((const __m128i*)term);
    *begin = (uint64_t)_mm_cvtsi128_si64(both) >> 32;
#if defined(__AVX512F__)
    return (Vector)_mm512_broadcastss_ps(_mm_castsi128_ps(both));
#else
    return (Vector)_mm256_broadcastss_ps(_mm_castsi128_ps(both));
#endif
#else
    *begin = term->begin;
    return Vector{} + term->factor;
#endif
}

/* sums (COLUMNS,) += the terms of one row; b and sums are aligned. */
template <int COLUMNS>
static void add_terms(const Term* term, const Term* end, const float* b, float* sums) {
    const int VECTORS = COLUMNS / WIDTH;
    Vector* stored = (Vector*)sums;
    Vector sum[VECTORS];
#pragma GCC unroll 32
    for (int v = 0; v < VECTORS; ++v) sum[v] = stored[v];
    for (; term < end; ++term) {
        uint64_t begin;
        const Vector factor = load_term(term, &begin);
        const Vector* row = (const Vector*)(b + begin);
#pragma GCC unroll 32
        for (int v = 0; v < VECTORS; ++v) sum[v] += factor * row[v];
    }
#pragma GCC unroll 32
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
    npy_intp tile_columns; /* 32, 64 or 128 */

    Term* terms;   /* (m * k,): of block 0, then of block 1, ...; in a block of row 0, then of row 1, ..., with gaps */
    Range* ranges; /* (num_blocks, m) */
    float* tiles;  /* (num_tiles, k, tile_columns): B', the last tile filled up with zeros */

    npy_intp num_blocks() const { return (k + BLOCK_DEPTH - 1) / BLOCK_DEPTH; }
    npy_intp num_tiles() const { return (n + tile_columns - 1) / tile_columns; }
    npy_intp part_rows() const { return tuning::PART_FLOATS / tile_columns; }

    /* The bits of 64 rows from `row`, each of the 64 columns from 64 * `word`. */
    void square(npy_intp row, npy_intp word, uint64_t square_bits[WORD]) const {
        if (!transposed) return bits.square(row, word, square_bits);
        bits.square(word * WORD, row / WORD, square_bits);
        transpose_bits(square_bits);
    }

    /* Of rows [first, end), which begin at a multiple of 64. */
    void list_terms(npy_intp block, npy_intp first_row, npy_intp end_row) const {
        uint64_t squares[BLOCK_WORDS][WORD];
        const float* block_a = a + block * BLOCK_DEPTH * a_column_stride;
        Term* const first = terms + m * block * BLOCK_DEPTH;
        Term* term = first + first_row * std::min(BLOCK_DEPTH, k - block * BLOCK_DEPTH);
        for (npy_intp row = first_row; row < end_row; ++row) {
            const uint32_t begin = term - first;
            if (row % WORD == 0)
                for (npy_intp word = 0; word < BLOCK_WORDS; ++word)
                    square(row, block * BLOCK_WORDS + word, squares[word]);
            for (npy_intp word = 0; word < BLOCK_WORDS; ++word)
                for (uint64_t left = squares[word][row % WORD]; left; left &= left - 1) {
                    npy_intp column = word * WORD + __builtin_ctzll(left);
                    *term++ = {block_a[row * a_row_stride + column * a_column_stride],
                               (uint32_t)(column * tile_columns)};
                }
            ranges[block * m + row] = {begin, (uint32_t)(term - first)};
        }
    }

    /* Rows [first, end) of B'. */
    void fill_tile(npy_intp tile, npy_intp first, npy_intp end) const {
        const npy_intp column = tile * tile_columns, width = std::min(tile_columns, n - column);
        const float* from = b + first * b_row_stride + column * b_column_stride;
        float* to = tiles + (tile * k + first) * tile_columns;
        for (npy_intp row = first; row < end; ++row, from += b_row_stride, to += tile_columns) {
            for (npy_intp j = 0; j < width; ++j) to[j] = from[j * b_column_stride];
            std::fill(to + width, to + tile_columns, 0.0f);
        }
    }

    /* A tile's columns of C's rows [first, end), at most part_rows(). */
    template <int COLUMNS>
    void multiply(npy_intp tile, npy_intp first, npy_intp end) const {
        alignas(64) float sums[tuning::PART_FLOATS];
        std::fill(sums, sums + (end - first) * COLUMNS, 0.0f);
        for (npy_intp block = 0; block < num_blocks(); ++block) {
            const Term* block_terms = terms + m * block * BLOCK_DEPTH;
            const Range* range = ranges + block * m;
            const float* block_b = tiles + (tile * k + block * BLOCK_DEPTH) * COLUMNS;
            for (npy_intp row = first; row < end; ++row)
                add_terms<COLUMNS>(block_terms + range[row].begin, block_terms + range[row].end, block_b,
                                   sums + (row - first) * COLUMNS);
        }
        const npy_intp column = tile * COLUMNS, width = std::min<npy_intp>(COLUMNS, n - column);
        for (npy_intp row = first; row < end; ++row) {
            const float* sum = sums + (row - first) * COLUMNS;
            float* result = c + row * n + column;
            for (npy_intp j = 0; j < width; ++j) result[j] = add ? result[j] + sum[j] : sum[j];
        }
    }

    void multiply(npy_intp tile, npy_intp first, npy_intp end) const {
        if (tile_columns == 32) multiply<32>(tile, first, end);
        else if (tile_columns == 64) multiply<64>(tile, first, end);
        else multiply<128>(tile, first, end);
    }

    /* How many parts rows are cut into, so that `count` blocks or tiles of them give each thread two chunks. */
    static int parts_of(npy_intp rows, npy_intp count, int num_threads) {
        return std::max<npy_intp>(1, std::min((2 * num_threads + count - 1) / count, rows / WORD));
    }

    void compute(int num_threads) const {
        const npy_intp blocks = num_blocks(), num = num_tiles();
        const int lists = parts_of(m, blocks, num_threads), fills = parts_of(k, num, num_threads);
        mlp_team::parallel_for(num_threads, blocks * lists + num * fills, [=](int chunk) {
            if (chunk < blocks * lists) {
                const int part = chunk % lists;
                list_terms(chunk / lists, mlp_team::chunk_begin(m, part, lists, WORD),
                           mlp_team::chunk_begin(m, part + 1, lists, WORD));
                return;
            }
            const int fill = chunk - blocks * lists, part = fill % fills;
            fill_tile(fill / fills, mlp_team::chunk_begin(k, part, fills), mlp_team::chunk_begin(k, part + 1, fills));
        });
        const int parts = std::max((m + part_rows() - 1) / part_rows(), (2 * num_threads + num - 1) / num);
        mlp_team::parallel_for(num_threads, num * parts, [=](int chunk) {
            int part = chunk % parts;
            multiply(chunk / parts, mlp_team::chunk_begin(m, part, parts), mlp_team::chunk_begin(m, part + 1, parts));
        });
    }
};

/* All of A's bits; returns the share of its elements that are not 0. */
static double fill_bitmap(int num_threads, const Bitmap& bits, const float* a) {
    const npy_intp chunks = std::max<npy_intp>((bits.rows + WORD - 1) / WORD, 2 * num_threads);
    const int num_chunks = std::min({chunks, bits.rows, npy_intp(65535)});
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
static Panel panel_of(const Product& product, const Bitmap& bits, npy_intp first, npy_intp rows,
                      npy_intp tile_columns) {
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
    panel.tile_columns = tile_columns;
    panel.bits = {rows, bits.columns, bits.words + first * bits.row_words()};
    return panel;
}

/* Computes the product in tiles of so many columns (32, 64 or 128), or returns false to leave it to the BLAS: the tile
 * has no columns, A has too few zeros, the product is too small to look for them, or there is not enough memory. */
static bool multiply(int num_threads, const Product& product, npy_intp tile_columns) {
    static Scratch<uint64_t> words;
    static Scratch<Term> terms;
    static Scratch<Range> ranges;
    static Scratch<float> tiles;
    if (tile_columns != 32 && tile_columns != 64 && tile_columns != 128) return false;
    if (std::min({product.m, product.n, product.k}) < tuning::MIN_SIDE ||
        double(product.m) * product.n * product.k < tuning::MIN_MULTIPLICATIONS) return false;
    Bitmap bits = {product.transpose_a ? product.k : product.m, product.transpose_a ? product.m : product.k, nullptr};
    if (!words.reserve(bits.rows * bits.row_words())) return false;
    bits.words = words.data;
    if (!(fill_bitmap(num_threads, bits, product.a) <= tuning::MAX_DENSITY)) return false;
    const int num_panels = (bits.rows + tuning::PANEL_ROWS - 1) / tuning::PANEL_ROWS;
    for (int number = 0; number < num_panels; ++number) {
        npy_intp first = mlp_team::chunk_begin(bits.rows, number, num_panels);
        npy_intp rows = mlp_team::chunk_begin(bits.rows, number + 1, num_panels) - first;
        Panel panel = panel_of(product, bits, first, rows, tile_columns);
        if (!terms.reserve(panel.m * panel.k) || !ranges.reserve(panel.num_blocks() * panel.m) ||
            !tiles.reserve(panel.num_tiles() * panel.k * tile_columns)) return false;
        panel.terms = terms.data;
        panel.ranges = ranges.data;
        panel.tiles = tiles.data;
        panel.compute(num_threads);
    }
    return true;
}

} /* namespace sparse */
