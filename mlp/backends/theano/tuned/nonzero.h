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

/* The bits of the first `size` numbers, at most 64; of none where it is negative. */
static inline uint64_t nonzero_bits(const float* numbers, npy_intp size) {
    if (size >= WORD) return nonzero_bits(numbers);
    float padded[WORD] = {};
    std::copy(numbers, numbers + std::max<npy_intp>(size, 0), padded);
    return nonzero_bits(padded);
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

} /* namespace sparse */
