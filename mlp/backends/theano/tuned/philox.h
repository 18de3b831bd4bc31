/* Philox4x32-10: random 32-bit words as a function of a key and a counter.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.  It passes BigCrush;
 * for each of its 2**64 keys it has a period of 2**128 counters.  It is stateless: any thread may draw any word.
 */
#include <stdint.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace philox {

const int LANES = 16; /* counters of a tile */
const int TILE_WORDS = 4 * LANES;

#if defined(__AVX512F__)
const int WIDTH = 8;
#elif defined(__AVX2__)
const int WIDTH = 4;
#else
const int WIDTH = 2;
#endif

/* One word of WIDTH counters, each in the low half of a 64-bit lane; the high halves may hold anything.  GCC's own
 * vectoriser does not see that such a product needs one instruction, and is ten times slower. */
typedef uint64_t Words __attribute__((vector_size(8 * WIDTH)));

/* The 64-bit products of the low halves with `factor`. */
static inline Words multiply(Words words, uint32_t factor) {
    Words factors = Words{} + factor;
#if defined(__AVX512F__)
    return (Words)_mm512_mul_epu32((__m512i)words, (__m512i)factors);
#elif defined(__AVX2__)
    return (Words)_mm256_mul_epu32((__m256i)words, (__m256i)factors);
#elif defined(__SSE2__)
    return (Words)_mm_mul_epu32((__m128i)words, (__m128i)factors);
#else
    return (words & 0xffffffffu) * factors;
#endif
}

struct Counters {
    Words x0, x1, x2, x3;

    inline void mix(uint32_t key0, uint32_t key1) {
        Words product0 = multiply(x0, 0xD2511F53u), product2 = multiply(x2, 0xCD9E8D57u);
        x0 = (product2 >> 32) ^ x1 ^ (Words{} + key0);
        x2 = (product0 >> 32) ^ x3 ^ (Words{} + key1);
        x1 = product2;
        x3 = product0;
    }

    inline void store(uint32_t* words) const {
        for (int lane = 0; lane < WIDTH; ++lane) {
            words[lane] = (uint32_t)x0[lane];
            words[LANES + lane] = (uint32_t)x1[lane];
            words[2 * LANES + lane] = (uint32_t)x2[lane];
            words[3 * LANES + lane] = (uint32_t)x3[lane];
        }
    }
};

/* words[64]: the four words of the counters (first + lane, c1, c2, c3), lane 0 to 15; word w of a lane is
 * words[16 * w + lane]. */
static inline void draw_tile(uint32_t key0, uint32_t key1, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3,
                             uint32_t* __restrict__ words) {
    /* Two at a time: a product takes several cycles, and the other one's fit in between. */
    for (int group = 0; group < LANES; group += 2 * WIDTH) {
        Counters a = {Words{}, Words{} + c1, Words{} + c2, Words{} + c3};
        for (int lane = 0; lane < WIDTH; ++lane) a.x0[lane] = first + group + lane;
        Counters b = a;
        b.x0 += WIDTH;
        for (uint32_t round = 0; round < 10; ++round) {
            a.mix(key0 + round * 0x9E3779B9u, key1 + round * 0xBB67AE85u);
            b.mix(key0 + round * 0x9E3779B9u, key1 + round * 0xBB67AE85u);
        }
        a.store(words + group);
        b.store(words + group + WIDTH);
    }
}

} /* namespace philox */
