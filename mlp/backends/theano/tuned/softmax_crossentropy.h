/* Bias, softmax, cross-entropy, its gradient and the accuracy in one pass over the logits. */

/* Scores of one example: its loss, and true if its most probable class (the first of several) is its label. */
struct Score {
    double loss;
    bool correct;
};

/* In place: one example's logits, without bias, become the gradient of the mean loss over n: (p - onehot) / n.
 * loss = log(sum(exp(z - max))) - (z_label - max), which neither overflows nor takes the logarithm of 0. */
static Score score_example(float* z, const float* bias, npy_intp classes, npy_int32 label, float one_over_n) {
    npy_intp best = 0;
    for (npy_intp j = 0; j < classes; ++j) {
        z[j] += bias[j];
        if (z[j] > z[best]) best = j;
    }
    float highest = z[best], own = z[label] - highest, sum = 0;
    for (npy_intp j = 0; j < classes; ++j) sum += z[j] = expf(z[j] - highest);
    float scale = one_over_n / sum;
    for (npy_intp j = 0; j < classes; ++j) z[j] *= scale;
    z[label] -= one_over_n;
    return {std::log((double)sum) - own, best == label};
}

/* All examples: z (n, classes) as above, bias_gradient (classes,) the sums of its columns; returns the mean loss and
 * stores the accuracy.  Scores are added in order, independent of the number of threads. */
static double softmax_crossentropy(int num_threads, float* z, const float* bias, const npy_int32* labels, npy_intp n,
                                   npy_intp classes, float* bias_gradient, double* accuracy) {
    std::vector<Score> scores(n);
    Score* score = scores.data();
    int num_chunks = n < tuning::ONE_THREAD_SCORES ? 1 : num_threads;
    mlp_team::parallel_for(num_threads, num_chunks, [=](int chunk) {
        npy_intp end = mlp_team::chunk_begin(n, chunk + 1, num_chunks);
        for (npy_intp i = mlp_team::chunk_begin(n, chunk, num_chunks); i < end; ++i)
            score[i] = score_example(z + i * classes, bias, classes, labels[i], 1.0f / n);
    });
    std::vector<double> sums(classes);
    double loss = 0;
    npy_intp correct = 0;
    for (npy_intp i = 0; i < n; ++i) {
        for (npy_intp j = 0; j < classes; ++j) sums[j] += z[i * classes + j];
        loss += scores[i].loss;
        correct += scores[i].correct;
    }
    std::copy(sums.begin(), sums.end(), bias_gradient);
    *accuracy = (double)correct / n;
    return loss / n;
}

/* Returns true if every label is a class. */
static bool labels_are_classes(const npy_int32* labels, npy_intp n, npy_intp classes) {
    return std::all_of(labels, labels + n, [=](npy_int32 label) { return label >= 0 && label < classes; });
}
