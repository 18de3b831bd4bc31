/* Bit mask of the nonzero elements of a matrix. */
#include <stdint.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace sparse {

const npy_intp WORD = 64; /* elements whose bits one word holds, the first one's lowest */

/* The bits of 64 numbers.  NaN is not 0; -0 is. */
static inline uint64_t nonzero_bits(const float* numbers) {
    uint64_t bits = 0;
#if defined(__AVX512F__)
    for (int i = 0; i < WORD; i += 16)
        bits |= (uint64_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(numbers + i), _mm512_setzero_ps(), _CMP_NEQ_UQ) << i;
#elif defined(__AVX2__)
    for (int i = 0; i < WORD; i += 8) {
        __m256 differ = _mm256_cmp_ps(_mm256_loadu_ps(numbers + i), _mm256_setzero_ps(), _CMP_NEQ_UQ);
        bits |= (uint64_t)(uint32_t)_mm256_movemask_ps(differ) << i;
    }
#else
    for (int i = 0; i < WORD; ++i) bits |= (uint64_t)(numbers[i] != 0) << i;
#endif
    return bits;
}

/* Bit j of word i becomes bit i of word j: squares of 32, 16, ... 1 bits change places across the diagonal.
 * Source: Warren, "Hacker's Delight", section 7-3. */
static inline void transpose_bits(uint64_t words[WORD]) {
    uint64_t mask = 0x00000000FFFFFFFFull;
    for (int size = 32; size > 0; size >>= 1, mask ^= mask << size)
        for (int i = 0; i < WORD; i = ((i | size) + 1) & ~size) {
            uint64_t swapped = ((words[i] >> size) ^ words[i | size]) & mask;
            words[i] ^= swapped << size;
            words[i | size] ^= swapped;
        }
}

struct Bitmap {
    npy_intp rows, columns;
    uint64_t* words; /* (rows, row_words()); bits behind the last column are 0 */

    npy_intp row_words() const { return (columns + WORD - 1) / WORD; }

    /* From rows [first, end) of the matrix; returns how many of their elements are not 0. */
    npy_intp fill(const float* matrix, npy_intp first, npy_intp end) const {
        const npy_intp whole_words = columns / WORD;
        npy_intp count = 0;
        for (npy_intp row = first; row < end; ++row) {
            const float* numbers = matrix + row * columns;
            uint64_t* word = words + row * row_words();
            for (npy_intp i = 0; i < whole_words; ++i) word[i] = nonzero_bits(numbers + i * WORD);
            if (whole_words < row_words()) {
                float rest[WORD] = {};
                std::copy(numbers + whole_words * WORD, numbers + columns, rest);
                word[whole_words] = nonzero_bits(rest);
            }
            for (npy_intp i = 0; i < row_words(); ++i) count += __builtin_popcountll(word[i]);
        }
        return count;
    }

    /* Bits of the 64 rows from `row`, each of the 64 columns from 64 * `word`; rows behind the last one have none. */
    void square(npy_intp row, npy_intp word, uint64_t bits[WORD]) const {
        for (npy_intp i = 0; i < WORD; ++i)
            bits[i] = row + i < rows && word < row_words() ? words[(row + i) * row_words() + word] : 0;
    }
};

} /* namespace sparse */
