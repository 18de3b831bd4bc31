/* Every kernel of theano/tuned once, compiled for one instruction set: float32 inputs on stdin, outputs on stdout.
 *
 *     kernels THREADS m n k classes
 *
 * test_instruction_sets.py says what is read and written.  With `threads` for m it prints how many threads took part.
 */
#include <Python.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "tuning.h"
#include "team.h"
#include "product.h"
#include "nonzero.h"
#include "sparse_product.h"
#include "philox.h"
#include "dropout_relu.h"
#include "dropout_relu_gradient.h"
#include "softmax_crossentropy.h"
#include "rmsprop.h"
#include "minibatch.h"

/* The BLAS, in column-major order: C = op(A) op(B). */
void sgemm_(const char* ta, const char* tb, const int* m, const int* n, const int* k, const float*, const float* a,
            const int* lda, const float* b, const int* ldb, const float*, float* c, const int* ldc) {
    for (int i = 0; i < *m; ++i)
        for (int j = 0; j < *n; ++j) {
            double sum = 0;
            for (int l = 0; l < *k; ++l)
                sum += (double)(*ta == 'T' ? a[i * *lda + l] : a[l * *lda + i]) *
                       (*tb == 'T' ? b[l * *ldb + j] : b[j * *ldb + l]);
            c[j * *ldc + i] = sum;
        }
}
int scipy_openblas_get_num_threads() { return 1; }
void scipy_openblas_set_num_threads(int) {}

typedef std::vector<float> Floats;

static Floats read(size_t size) {
    Floats numbers(size);
    if (fread(numbers.data(), sizeof(float), size, stdin) != size) exit(2);
    return numbers;
}

static void write(const Floats& numbers) { fwrite(numbers.data(), sizeof(float), numbers.size(), stdout); }

static void products(int threads, npy_intp m, npy_intp n, npy_intp k) {
    const Floats a[] = {read(m * k), read(k * m)}, b[] = {read(k * n), read(n * k)};
    for (npy_intp columns : {0, 32, 64, 128})
        for (bool ta : {false, true})
            for (bool tb : {false, true}) {
                Floats c(m * n, NAN);
                Product product = {ta, tb, m, n, k, a[ta].data(), b[tb].data(), c.data()};
                if (sparse::multiply(threads, product, columns) != (columns > 0)) exit(3);
                if (columns == 0) product.compute(threads);
                write(c);
            }
}

static void layers(int threads, npy_intp rows, npy_intp units, npy_intp classes) {
    Floats z = read(rows * units), bias = read(units), gradient = read(rows * units), bias_gradient(units);
    DropoutRelu{threads, 0.6, 0x12345678, 0x9ABCDEF0, (7ull << 32) + 3}.forward(z.data(), bias.data(), rows, units);
    write(z);
    dropout_relu_backward(threads, 0.6, z.data(), gradient.data(), bias_gradient.data(), rows, units);
    write(gradient);
    write(bias_gradient);
    Floats scores = read(rows * classes), class_bias = read(classes), class_gradient(classes);
    std::vector<npy_int32> labels(rows), gathered_labels(rows);
    for (npy_intp i = 0; i < rows; ++i) labels[i] = i % classes;
    double accuracy, loss = softmax_crossentropy(threads, scores.data(), class_bias.data(), labels.data(), rows,
                                                 classes, class_gradient.data(), &accuracy);
    write(scores);
    write(class_gradient);
    write({(float)loss, (float)accuracy});
    Floats value = read(rows * units), accumulator = read(rows * units), gathered(rows * units);
    Rmsprop{0.01f, 0.9f, 0.1f, 1e-6f}.update_all(
        threads, {{value.data(), accumulator.data(), gradient.data(), rows * units}});
    write(value);
    write(accumulator);
    std::vector<npy_int64> order(rows);
    for (npy_intp i = 0; i < rows; ++i) order[i] = rows - 1 - i;
    gather_rows(threads, value.data(), labels.data(), order.data(), rows, units, gathered.data(),
                gathered_labels.data());
    write(gathered);
}

/* How many threads take part when an operation of `threads` follows one of more. */
static int participants(int threads) {
    bool took_part[mlp_team::MAX_THREADS] = {};
    static thread_local int own = -1;
    static std::atomic<int> next{0};
    mlp_team::parallel_for(threads + 2, 1000, [](int) {});
    for (int i = 0; i < 50; ++i)
        mlp_team::parallel_for(threads, 200, [&](int) {
            if (own < 0) own = next++;
            if (i >= 25) took_part[own] = true;
            for (volatile int spin = 0; spin < 1000; spin = spin + 1) {
            }
        });
    return std::count(took_part, took_part + mlp_team::MAX_THREADS, true);
}

int main(int argc, char** argv) {
    const int threads = atoi(argv[1]);
    if (argc == 3) return printf("%d\n", participants(threads)), 0;
    fprintf(stderr, "%s\n", tuning::INSTRUCTION_SET);
    products(threads, atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
    layers(threads, atoi(argv[2]), atoi(argv[3]), atoi(argv[5]));
    return 0;
}
