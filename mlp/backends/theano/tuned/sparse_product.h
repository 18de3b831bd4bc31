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

/* A row of a part, counted from the part's first, and how many terms it has in a block. */
struct Row {
    uint16_t row, num_terms;
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

/* A row's sums in registers, and its terms. */
template <int COLUMNS>
struct RowSums {
    static const int VECTORS = COLUMNS / WIDTH;
    Vector sum[VECTORS];
    Vector* stored;
    const Term* term;
    int num_terms;

    RowSums(const Term* term, const Row& row, float* sums)
        : stored((Vector*)(sums + row.row * COLUMNS)), term(term), num_terms(row.num_terms) {
#pragma GCC unroll 32
        for (int v = 0; v < VECTORS; ++v) sum[v] = stored[v];
    }

    void add_term(const float* b) {
        uint64_t begin;
        const Vector factor = load_term(term++, &begin);
        const Vector* row = (const Vector*)(b + begin);
        /* In one register: Intel's processors split an FMA that adds two registers for its address. */
        __asm__("" : "+r"(row));
#pragma GCC unroll 32
        for (int v = 0; v < VECTORS; ++v) sum[v] += factor * row[v];
    }

    void store() const {
#pragma GCC unroll 32
        for (int v = 0; v < VECTORS; ++v) stored[v] = sum[v];
    }
};

/* sums (part_rows, COLUMNS) += the terms of one row, or of two at the same time, of which the second has no more terms;
 * b and sums are aligned.  Returns the term behind the last one. */
template <int COLUMNS>
static const Term* add_row(const Term* term, const Row* row, const float* b, float* sums) {
    RowSums<COLUMNS> one(term, *row, sums);
    for (int left = one.num_terms; left > 0; --left) one.add_term(b);
    one.store();
    return one.term;
}

template <int COLUMNS>
static const Term* add_two_rows(const Term* term, const Row* row, const float* b, float* sums) {
    RowSums<COLUMNS> one(term, row[0], sums), two(term + one.num_terms, row[1], sums);
    for (int left = two.num_terms; left > 0; --left) {
        one.add_term(b);
        two.add_term(b);
    }
    for (int left = one.num_terms - two.num_terms; left > 0; --left) one.add_term(b);
    one.store();
    two.store();
    return two.term;
}

static inline void prefetch_for_writing(const float* numbers, npy_intp size) {
    for (npy_intp i = 0; i < size; i += 16) __builtin_prefetch(numbers + i, 1);
    __builtin_prefetch(numbers + size - 1, 1);
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
    npy_intp tile_columns; /* 32, 64 or 128 */

    Term* terms;   /* (m * k,): of block 0, then of block 1, ...; in a block of part 0, then of part 1, ..., with gaps */
    Row* rows;     /* (num_blocks, m): those of each part by their number of terms, most first */
    float* tiles;  /* (num_tiles, k, tile_columns): B', the last tile filled up with zeros */

    npy_intp num_blocks() const { return (k + BLOCK_DEPTH - 1) / BLOCK_DEPTH; }
    npy_intp num_tiles() const { return (n + tile_columns - 1) / tile_columns; }
    npy_intp part_rows() const { return tuning::PART_FLOATS / tile_columns; }

    /* bits (end - first,): of the elements of A' that are not 0, in rows [first, end) and a block's columns. */
    void find_nonzero(npy_intp block, npy_intp first, npy_intp end, uint64_t (*bits)[BLOCK_WORDS]) const {
        const npy_intp columns = std::min(BLOCK_DEPTH, k - block * BLOCK_DEPTH);
        const float* corner = a + first * a_row_stride + block * BLOCK_DEPTH * a_column_stride;
        if (a_column_stride == 1) {
            for (npy_intp row = 0; row < end - first; ++row)
                for (npy_intp word = 0; word < BLOCK_WORDS; ++word) {
                    const float* piece = corner + row * a_row_stride + word * WORD;
                    bits[row][word] = bits_of_piece(piece, columns - word * WORD, a_row_stride);
                }
            return;
        }
        for (npy_intp row = 0; row < end - first; row += WORD) /* A is transposed: its squares of bits are, too */
            for (npy_intp word = 0; word < BLOCK_WORDS; ++word) {
                const npy_intp rows = std::min(WORD, end - first - row), column = word * WORD;
                uint64_t square[WORD] = {};
                for (npy_intp i = 0; i < std::min(WORD, columns - column); ++i)
                    square[i] = bits_of_piece(corner + row + (column + i) * a_column_stride, rows, a_column_stride);
                transpose_bits(square);
                for (npy_intp i = 0; i < rows; ++i) bits[row + i][word] = square[i];
            }
    }

    /* Processors fetch ahead in one long piece of memory, but not from one short piece to the next. */
    static uint64_t bits_of_piece(const float* numbers, npy_intp size, npy_intp to_next_piece) {
        for (int i = 0; i < WORD; i += 16) __builtin_prefetch(numbers + 2 * to_next_piece + i);
        return nonzero_bits(numbers, size);
    }

    Term* terms_of(npy_intp block, npy_intp row) const {
        return terms + m * block * BLOCK_DEPTH + row * std::min(BLOCK_DEPTH, k - block * BLOCK_DEPTH);
    }

    /* Of rows [first, end), a part.  The terms of the row with the most come first: a processor foresees the end of a
     * row that is as long as the one before. */
    void list_terms(npy_intp block, npy_intp first, npy_intp end) const {
        uint64_t bits_of[tuning::PART_FLOATS / 32][BLOCK_WORDS];
        uint32_t num_rows[BLOCK_DEPTH + 1] = {}, position[BLOCK_DEPTH + 1], begin[BLOCK_DEPTH + 1];
        find_nonzero(block, first, end, bits_of);
        for (npy_intp row = 0; row < end - first; ++row) ++num_rows[num_terms(bits_of[row])];
        uint32_t rows_before = 0, terms_before = 0;
        for (npy_intp number = BLOCK_DEPTH; number >= 0; --number) {
            position[number] = rows_before;
            begin[number] = terms_before;
            rows_before += num_rows[number];
            terms_before += num_rows[number] * number;
        }
        const float* block_a = a + block * BLOCK_DEPTH * a_column_stride;
        Term* const part_terms = terms_of(block, first);
        Row* const part_rows = rows + block * m + first;
        for (npy_intp row = 0; row < end - first; ++row) {
            const int number = num_terms(bits_of[row]);
            part_rows[position[number]++] = {(uint16_t)row, (uint16_t)number};
            Term* term = part_terms + begin[number];
            begin[number] += number;
            const float* row_a = block_a + (first + row) * a_row_stride;
            for (npy_intp word = 0; word < BLOCK_WORDS; ++word)
                for (uint64_t left = bits_of[row][word]; left; left &= left - 1) {
                    npy_intp column = word * WORD + __builtin_ctzll(left);
                    *term++ = {row_a[column * a_column_stride], (uint32_t)(column * tile_columns)};
                }
        }
    }

    static int num_terms(const uint64_t row_bits[BLOCK_WORDS]) {
        int number = 0;
        for (npy_intp word = 0; word < BLOCK_WORDS; ++word) number += __builtin_popcountll(row_bits[word]);
        return number;
    }

    /* Rows [first, end) of B', in all tiles.  B is read in the order in which it lies in memory. */
    void fill_tiles(npy_intp first, npy_intp end) const {
        const npy_intp rows_at_once = b_column_stride == 1 ? 1 : end - first;
        for (npy_intp row = first; row < end; row += rows_at_once)
            for (npy_intp tile = 0; tile < num_tiles(); ++tile) fill_tile(tile, row, row + rows_at_once);
    }

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
        const npy_intp column = tile * COLUMNS, width = std::min<npy_intp>(COLUMNS, n - column);
        for (npy_intp row = first; row < end; ++row) prefetch_for_writing(c + row * n + column, width);
        const bool two_at_once = COLUMNS / WIDTH <= 4; /* else there are sums enough to keep the FMAs busy */
        for (npy_intp block = 0; block < num_blocks(); ++block) {
            const Term* term = terms_of(block, first);
            const Row *row = rows + block * m + first, *last = row + (end - first);
            const float* block_b = tiles + (tile * k + block * BLOCK_DEPTH) * COLUMNS;
            if (two_at_once)
                for (; last - row >= 2 && row->num_terms; row += 2)
                    term = add_two_rows<COLUMNS>(term, row, block_b, sums);
            for (; row < last && row->num_terms; ++row) term = add_row<COLUMNS>(term, row, block_b, sums);
        }
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

    void compute(int num_threads) const {
        const npy_intp blocks = num_blocks(), num = num_tiles();
        const int parts = std::max((m + part_rows() - 1) / part_rows(), (2 * num_threads + num - 1) / num);
        const int fills = std::min<npy_intp>(2 * num_threads, k);
        mlp_team::parallel_for(num_threads, blocks * parts + fills, [=](int chunk) {
            if (chunk < blocks * parts) {
                const int part = chunk % parts;
                list_terms(chunk / parts, mlp_team::chunk_begin(m, part, parts),
                           mlp_team::chunk_begin(m, part + 1, parts));
                return;
            }
            const int fill = chunk - blocks * parts;
            fill_tiles(mlp_team::chunk_begin(k, fill, fills), mlp_team::chunk_begin(k, fill + 1, fills));
        });
        mlp_team::parallel_for(num_threads, num * parts, [=](int chunk) {
            int part = chunk % parts;
            multiply(chunk / parts, mlp_team::chunk_begin(m, part, parts), mlp_team::chunk_begin(m, part + 1, parts));
        });
    }
};

/* The share of A's elements that are not 0, in one of 16 rows. */
static double sampled_density(const Product& product) {
    const npy_intp columns = product.a_columns();
    npy_intp count = 0, sampled = 0;
    for (npy_intp row = 8; row < product.a_rows(); row += 16, sampled += columns)
        for (npy_intp column = 0; column < columns; column += WORD)
            count += __builtin_popcountll(nonzero_bits(product.a + row * columns + column, columns - column));
    return double(count) / sampled;
}

/* The contribution of rows [first, first + rows) of A, as it is stored, to the product: some rows of C, or, of a
 * transposed A, a part of every sum. */
static Panel panel_of(const Product& product, npy_intp first, npy_intp rows, npy_intp tile_columns) {
    const npy_intp columns = product.a_columns();
    const bool ta = product.transpose_a, tb = product.transpose_b;
    Panel panel = {};
    panel.m = ta ? product.m : rows;
    panel.n = product.n;
    panel.k = ta ? rows : product.k;
    panel.a = product.a + first * columns;
    panel.a_row_stride = ta ? 1 : columns;
    panel.a_column_stride = ta ? columns : 1;
    panel.b_row_stride = tb ? 1 : product.n;
    panel.b_column_stride = tb ? product.k : 1;
    panel.b = product.b + (ta ? first * panel.b_row_stride : 0);
    panel.c = product.c + (ta ? 0 : first * product.n);
    panel.add = ta && first > 0;
    panel.tile_columns = tile_columns;
    return panel;
}

/* Computes the product in tiles of so many columns (32, 64 or 128), or returns false to leave it to the BLAS: the tile
 * has no columns, A has too few zeros, the product is too small to look for them, or there is not enough memory. */
static bool multiply(int num_threads, const Product& product, npy_intp tile_columns) {
    static Scratch<Term> terms;
    static Scratch<Row> rows_of_parts;
    static Scratch<float> tiles;
    if (tile_columns != 32 && tile_columns != 64 && tile_columns != 128) return false;
    if (std::min({product.m, product.n, product.k}) < tuning::MIN_SIDE ||
        double(product.m) * product.n * product.k < tuning::MIN_MULTIPLICATIONS) return false;
    if (!(sampled_density(product) <= tuning::MAX_DENSITY)) return false;
    const npy_intp all_rows = product.a_rows();
    const int num_panels = (all_rows + tuning::PANEL_ROWS - 1) / tuning::PANEL_ROWS;
    for (int number = 0; number < num_panels; ++number) {
        npy_intp first = mlp_team::chunk_begin(all_rows, number, num_panels);
        npy_intp rows = mlp_team::chunk_begin(all_rows, number + 1, num_panels) - first;
        Panel panel = panel_of(product, first, rows, tile_columns);
        if (!terms.reserve(panel.m * panel.k) || !rows_of_parts.reserve(panel.num_blocks() * panel.m) ||
            !tiles.reserve(panel.num_tiles() * panel.k * tile_columns)) return false;
        panel.terms = terms.data;
        panel.rows = rows_of_parts.data;
        panel.tiles = tiles.data;
        panel.compute(num_threads);
    }
    return true;
}

} /* namespace sparse */
