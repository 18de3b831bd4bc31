/* Tuning parameters that are constants: they encode the processor on which they were measured.
 *
 * The two that mattered elsewhere, threads and columns of a tile for each product, are no constants: tuning.py measures
 * them on this machine.  No parameter changes a result, except for the rounding of a product that goes to the BLAS.
 */
#include <stdint.h>

namespace tuning {

/* team.h: operations follow one another within this time; a helper that sleeps takes tens of microseconds to wake. */
const int SPIN_NANOSECONDS = 200000;
const int SPINS_BEFORE_YIELD = 4096;

/* sparse_product.h: rows of B at a time, a multiple of 64: those of a tile of 64 columns are 32 KiB, about the L1
 * cache; sums of a chunk of work, 64 KiB; rows of A, as it is stored, at a time: it bounds the memory for the terms. */
const int BLOCK_ROWS = 128;
const int PART_FLOATS = 16384;
const int PANEL_ROWS = 512;

/* Where the BLAS is as fast.  Measured with two threads on Zen 4, medians of 60 alternating calls: with a fifth of A
 * not 0 the five large canonical products take 0.39 to 0.43 of the BLAS's time, with half of it 0.76 to 0.79, and would
 * break even at about two thirds; on a busy machine at 0.35 to 0.5.  At a fifth, 96 x 96 x 96 takes 1.4 times as long
 * as the BLAS, and 128 x 128 x 128 0.6 times. */
const double MAX_DENSITY = 0.5; /* share of A's elements that are not 0 */
const int MIN_SIDE = 64;
const double MIN_MULTIPLICATIONS = 1 << 21;

/* product.h: a smaller product is one part; and the parts of a small batch.  Measured with one thread on Zen 4:
 * (8, 784) (784, 500) takes 228 microseconds in one part and 86 in 4, (32, 784) (784, 500) 362 and 303 in 16; with 32
 * parts there is nothing left to gain. */
const int ONE_THREAD_MULTIPLICATIONS = 1 << 18; /* ten microseconds */
const int MAX_PARTS = 16;
const double SMALL_PART_MULTIPLICATIONS = 1e6; /* OpenBLAS's own limit, with AVX-512 */

/* Work that is too short to share: numbers of minibatch.h, rows of dropout_relu.h and softmax_crossentropy.h. */
const int ONE_THREAD_COPIES = 65536;
const int ONE_THREAD_ROWS = 16;
const int ONE_THREAD_SCORES = 64;
const int UPDATE_BLOCK = 16384; /* rmsprop.h: numbers of a chunk, 192 KiB of three arrays */

#if defined(__AVX512F__)
const char* const INSTRUCTION_SET = "AVX-512";
#elif defined(__AVX2__)
const char* const INSTRUCTION_SET = "AVX2";
#elif defined(__SSE2__)
const char* const INSTRUCTION_SET = "SSE2";
#elif defined(__aarch64__)
const char* const INSTRUCTION_SET = "NEON";
#else
const char* const INSTRUCTION_SET = "none";
#endif

} /* namespace tuning */
