// Cross entropy with its softmax: a warp for each row of scores.

// The largest of v over the 32 threads of a warp.
__device__ __forceinline__ wide warp_max(wide v) {
    for (int step = 16; step > 0; step /= 2) {
        const wide other = __shfl_xor_sync(0xffffffffu, v, step);
        v = other > v ? other : v;
    }
    return v;
}

// log_p (M, C); losses and weights (M,), of each row. `weight` may be null, which stands for ones.
//
// A label that is neither a class nor `ignored` makes its loss NaN and touches nothing.
extern "C" __global__ void rows(const real* __restrict__ x, const long long* __restrict__ target,
                                const wide* __restrict__ weight, wide* __restrict__ log_p,
                                wide* __restrict__ losses, wide* __restrict__ weights, int count,
                                int classes, long long ignored, wide smoothing) {
    const int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= count) return;
    const int from = row * classes;
    wide largest = x[from];
    for (int c = lane; c < classes; c += 32) {
        const wide v = x[from + c];
        largest = v > largest ? v : largest;
    }
    largest = warp_max(largest);
    wide sum = 0;
    for (int c = lane; c < classes; c += 32) sum += exp(wide(x[from + c]) - largest);
    const wide log_sum = log(warp_sum(sum));
    wide every = 0;
    for (int c = lane; c < classes; c += 32) {
        const wide v = wide(x[from + c]) - largest - log_sum;
        log_p[from + c] = v;
        every += weight ? weight[c] * v : v;
    }
    every = warp_sum(every);
    if (lane > 0) return;
    const long long label = target[row];
    const bool kept = label != ignored, known = label >= 0 && label < classes;
    wide loss = 0, w = 0;
    if (kept) {
        w = !known ? wide(nan("")) : weight ? weight[label] : wide(1);
        loss = known ? -w * (wide(x[from + label]) - largest - log_sum) : w;
        if (smoothing != 0) loss = (1 - smoothing) * loss - smoothing / classes * every;
    }
    losses[row] = loss;
    weights[row] = w;
}

// y: the sum of the losses, over that of the weights if `mean`; total: the sum of the weights.
// One block.
extern "C" __global__ void reduce(const wide* __restrict__ losses, const wide* __restrict__ weights,
                                  wide* __restrict__ y, wide* __restrict__ total, int count,
                                  bool mean) {
    double loss = 0, w = 0;
    for (int i = threadIdx.x; i < count; i += blockDim.x) loss += losses[i], w += weights[i];
    loss = block_sum(loss);
    w = block_sum(w);
    if (threadIdx.x > 0) return;
    total[0] = w;
    y[0] = mean ? loss / w : loss;
}

// dx (M, C); dy (M,), or one number for all rows if not `by_row`; total is null but for the mean.
extern "C" __global__ void gradient(const wide* __restrict__ dy, const wide* __restrict__ log_p,
                                    const long long* __restrict__ target,
                                    const wide* __restrict__ weight,
                                    const wide* __restrict__ total, wide* __restrict__ dx,
                                    int count, int classes, long long ignored, wide smoothing,
                                    bool by_row) {
    const int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= count) return;
    const int from = row * classes;
    const long long label = target[row];
    const bool kept = label != ignored, known = label >= 0 && label < classes;
    wide d = dy[by_row ? row : 0];
    if (total) d /= total[0];
    if (!kept) d = 0;  // even where the mean was 0 / 0
    const wide hit = kept && known ? (1 - smoothing) * (weight ? weight[label] : wide(1)) * d : 0;
    const wide share = smoothing / classes * d;
    wide sum = classes;
    if (weight && smoothing != 0) {
        sum = 0;
        for (int c = lane; c < classes; c += 32) sum += weight[c];
        sum = warp_sum(sum);
    }
    for (int c = lane; c < classes; c += 32) {
        wide v = exp(log_p[from + c]) * (hit + share * sum);
        if (c == label) v -= hit;
        if (smoothing != 0) v -= share * (weight ? weight[c] : wide(1));
        dx[from + c] = v;
    }
}
