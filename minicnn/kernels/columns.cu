// Channel by channel: sums over rows, statistics over rows, and what normalisation makes of them.
//
// Arrays are (B, P, C) with the C channels of a row side by side in memory. A block's threads stand
// in blockDim.x columns of LANES channels each and blockDim.y rows, so that a warp reads one run of
// memory. Each block takes `chunk` of the P rows and writes what it found of them, (B, K, C) for K
// chunks; a second kernel adds those up, in double and always in the same order. No atomics, hence
// the same bits at every run.

typedef Pack<real, LANES> Reals;
typedef Pack<wide, LANES> Wides;

// Which part of the array this thread works on.
struct Place {
    int part, channel, row, end, chunk_number;
    bool inside;

    __device__ Place(int rows, int channels, int chunk) {
        const int tiles = (channels + blockDim.x * LANES - 1) / (blockDim.x * LANES);
        part = blockIdx.x / tiles;
        channel = ((blockIdx.x % tiles) * blockDim.x + threadIdx.x) * LANES;
        chunk_number = blockIdx.y;
        row = chunk_number * chunk + threadIdx.y;
        end = min(rows, (chunk_number + 1) * chunk);
        inside = channel < channels;
    }
};

__device__ __forceinline__ Reals read(const real* x, int i) {
    return *reinterpret_cast<const Reals*>(x + i);
}

__device__ __forceinline__ void write(real* y, int i, const Reals& v) {
    *reinterpret_cast<Reals*>(y + i) = v;
}

// Add up v over the rows of the block; the threads of its first row get the sum.
__device__ __forceinline__ void add_rows(Wides& v) {
    __shared__ Wides of_row[256];
    const int i = threadIdx.y * blockDim.x + threadIdx.x;
    __syncthreads();  // an earlier sum may still be read
    of_row[i] = v;
    for (int step = blockDim.y / 2; step > 0; step /= 2) {
        __syncthreads();
        if (threadIdx.y < step) {
            const Wides other = of_row[i + step * blockDim.x];
            for (int l = 0; l < LANES; l++) v.at[l] += other.at[l];
            of_row[i] = v;
        }
    }
}

// ---- sums

// sums (1, K, C): what the threads of a block have found of its chunk, added up.
__device__ __forceinline__ void write_sums(const Place& at, Wides& sum, wide* sums, int channels) {
    add_rows(sum);
    if (at.inside && threadIdx.y == 0)
        for (int l = 0; l < LANES; l++)
            sums[at.chunk_number * channels + at.channel + l] = sum.at[l];
}

// sums (1, K, C): of each chunk's rows.
extern "C" __global__ void chunk_sums(const real* __restrict__ x, wide* __restrict__ sums, int rows,
                                      int channels, int chunk) {
    const Place at(rows, channels, chunk);
    Wides sum = {};
    if (at.inside)
        for (int row = at.row; row < at.end; row += blockDim.y) {
            const Reals v = read(x, row * channels + at.channel);
            for (int l = 0; l < LANES; l++) sum.at[l] += wide(v.at[l]);
        }
    write_sums(at, sum, sums, channels);
}

// dx = dy where y != 0, else 0, and the sums of dx over each chunk's rows. dx may be dy.
extern "C" __global__ void chunk_relu_grad(const real* dy, const real* __restrict__ y, real* dx,
                                           wide* __restrict__ sums, int rows, int channels,
                                           int chunk) {
    const Place at(rows, channels, chunk);
    Wides sum = {};
    if (at.inside)
        for (int row = at.row; row < at.end; row += blockDim.y) {
            const int i = row * channels + at.channel;
            const Reals v = read(y, i);
            Reals d = read(dy, i);
            for (int l = 0; l < LANES; l++) {
                if (wide(v.at[l]) == 0) d.at[l] = real(0.0f);
                sum.at[l] += wide(d.at[l]);
            }
            write(dx, i, d);
        }
    write_sums(at, sum, sums, channels);
}

// y (C): the sums of the chunks' sums. A block for each channel.
extern "C" __global__ void total(const wide* __restrict__ sums, wide* __restrict__ y, int channels,
                                 int chunks) {
    double sum = 0;
    for (int k = threadIdx.x; k < chunks; k += blockDim.x)
        sum += sums[k * channels + blockIdx.x];
    sum = block_sum(sum);
    if (threadIdx.x == 0) y[blockIdx.x] = sum;
}

// ---- normalisation: the forward pass

// means, squares (B, K, C): each chunk's mean, and its sum of squared distances from that mean.
//
// A thread subtracts the first number it sees from all others, so that its squares stay small
// wherever the mean lies; two threads' results are joined as Chan, Golub and LeVeque (1983) have it.
extern "C" __global__ void chunk_statistics(const real* __restrict__ x, wide* __restrict__ means,
                                            wide* __restrict__ squares, int rows, int channels,
                                            int chunk) {
    __shared__ Wides all_means[256], all_squares[256];
    __shared__ int counts[256];
    const Place at(rows, channels, chunk);
    Wides first = {}, mean = {}, square = {};
    int n = 0;
    if (at.inside)
        for (int row = at.row; row < at.end; row += blockDim.y, n++) {
            const Reals v = read(x, (at.part * rows + row) * channels + at.channel);
            for (int l = 0; l < LANES; l++) {
                if (n == 0) first.at[l] = wide(v.at[l]);
                const wide d = wide(v.at[l]) - first.at[l];
                mean.at[l] += d;
                square.at[l] += d * d;
            }
        }
    for (int l = 0; l < LANES && n > 0; l++) {
        square.at[l] -= mean.at[l] * mean.at[l] / n;
        mean.at[l] = first.at[l] + mean.at[l] / n;
    }
    const int i = threadIdx.y * blockDim.x + threadIdx.x;
    all_means[i] = mean, all_squares[i] = square, counts[i] = n;
    for (int step = blockDim.y / 2; step > 0; step /= 2) {
        __syncthreads();
        const int j = i + step * blockDim.x;
        if (threadIdx.y < step && counts[j] > 0) {
            const int sum = n + counts[j];
            const wide share = wide(counts[j]) / sum;
            for (int l = 0; l < LANES; l++) {
                const wide d = all_means[j].at[l] - mean.at[l];
                mean.at[l] += d * share;
                square.at[l] += all_squares[j].at[l] + d * d * share * n;
            }
            n = sum;
            all_means[i] = mean, all_squares[i] = square, counts[i] = n;
        }
    }
    if (!at.inside || threadIdx.y > 0) return;
    const int to = (at.part * gridDim.y + at.chunk_number) * channels + at.channel;
    for (int l = 0; l < LANES; l++) means[to + l] = mean.at[l], squares[to + l] = square.at[l];
}

// mean, var (B, G) of each group of C / G channels, from its chunks. A block for each of them.
extern "C" __global__ void group_statistics(const wide* __restrict__ means,
                                            const wide* __restrict__ squares,
                                            wide* __restrict__ mean, wide* __restrict__ var,
                                            int rows, int channels, int groups, int chunk,
                                            int chunks) {
    const int part = blockIdx.x / groups, size = channels / groups;
    const int from = part * chunks * channels + blockIdx.x % groups * size;
    const double count = double(rows) * size;
    double sum = 0;
    for (int i = threadIdx.x; i < chunks * size; i += blockDim.x) {
        const int k = i / size, n = min(chunk, rows - k * chunk);
        sum += n * double(means[from + k * channels + i % size]);
    }
    const double m = block_sum(sum) / count;
    sum = 0;
    for (int i = threadIdx.x; i < chunks * size; i += blockDim.x) {
        const int k = i / size, n = min(chunk, rows - k * chunk);
        const int at = from + k * channels + i % size;
        sum += squares[at] + n * (means[at] - m) * (means[at] - m);
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) mean[blockIdx.x] = m, var[blockIdx.x] = sum / count;
}

// y = w (x - mean) / sqrt(var + eps) + b.
extern "C" __global__ void normalize(const real* __restrict__ x, const wide* __restrict__ w,
                                     const wide* __restrict__ b, const wide* __restrict__ mean,
                                     const wide* __restrict__ var, real* __restrict__ y, int rows,
                                     int channels, int groups, wide eps, int chunk) {
    const Place at(rows, channels, chunk);
    if (!at.inside) return;
    Wides m, scale, shift;
    for (int l = 0; l < LANES; l++) {
        const int c = at.channel + l, g = at.part * groups + c / (channels / groups);
        m.at[l] = mean[g];
        scale.at[l] = w[c] / sqrt(var[g] + eps);
        shift.at[l] = b[c];
    }
    for (int row = at.row; row < at.end; row += blockDim.y) {
        const int i = (at.part * rows + row) * channels + at.channel;
        Reals v = read(x, i);
        for (int l = 0; l < LANES; l++)
            v.at[l] = real((wide(v.at[l]) - m.at[l]) * scale.at[l] + shift.at[l]);
        write(y, i, v);
    }
}

// y = x scale + shift.
extern "C" __global__ void scale_shift(const real* __restrict__ x, const real* __restrict__ scale,
                                       const real* __restrict__ shift, real* __restrict__ y,
                                       int rows, int channels, int chunk) {
    const Place at(rows, channels, chunk);
    if (!at.inside) return;
    const Reals s = read(scale, at.channel), t = read(shift, at.channel);
    for (int row = at.row; row < at.end; row += blockDim.y) {
        const int i = (at.part * rows + row) * channels + at.channel;
        Reals v = read(x, i);
        for (int l = 0; l < LANES; l++)
            v.at[l] = real(wide(v.at[l]) * wide(s.at[l]) + wide(t.at[l]));
        write(y, i, v);
    }
}

// ---- normalisation: the backward pass

// plain, along (B, K, C): each chunk's sums of dy and of dy (x - mean).
extern "C" __global__ void chunk_gradients(const real* __restrict__ dy, const real* __restrict__ x,
                                           const wide* __restrict__ mean, wide* __restrict__ plain,
                                           wide* __restrict__ along, int rows, int channels,
                                           int groups, int chunk) {
    const Place at(rows, channels, chunk);
    Wides m = {}, one = {}, two = {};
    if (at.inside) {
        for (int l = 0; l < LANES; l++)
            m.at[l] = mean[at.part * groups + (at.channel + l) / (channels / groups)];
        for (int row = at.row; row < at.end; row += blockDim.y) {
            const int i = (at.part * rows + row) * channels + at.channel;
            const Reals d = read(dy, i), v = read(x, i);
            for (int l = 0; l < LANES; l++) {
                one.at[l] += wide(d.at[l]);
                two.at[l] += wide(d.at[l]) * (wide(v.at[l]) - m.at[l]);
            }
        }
    }
    add_rows(one);
    add_rows(two);
    if (!at.inside || threadIdx.y > 0) return;
    const int to = (at.part * gridDim.y + at.chunk_number) * channels + at.channel;
    for (int l = 0; l < LANES; l++) plain[to + l] = one.at[l], along[to + l] = two.at[l];
}

// What the chunks' sums amount to; with r = inv_std and n numbers in a group,
//   q = -r^3 sum(w dy (x - m)) / n  and  s = -r sum(w dy) / n,  (B, G), a block for each, then
//   dw = sum(r dy (x - m))  and  db = sum(dy),  (C), a block for each.
extern "C" __global__ void group_gradients(const wide* __restrict__ plain,
                                           const wide* __restrict__ along,
                                           const wide* __restrict__ w,
                                           const wide* __restrict__ inv_std, wide* __restrict__ q,
                                           wide* __restrict__ s, wide* __restrict__ dw,
                                           wide* __restrict__ db, int parts, int rows, int channels,
                                           int groups, int chunks) {
    const int size = channels / groups, here = blockIdx.x;
    double one = 0, two = 0;
    if (here < parts * groups) {
        const int first = here % groups * size, from = here / groups * chunks * channels + first;
        for (int i = threadIdx.x; i < chunks * size; i += blockDim.x) {
            const int at = from + i / size * channels + i % size;
            one += double(w[first + i % size]) * plain[at];
            two += double(w[first + i % size]) * along[at];
        }
        one = block_sum(one);
        two = block_sum(two);
        const double r = inv_std[here], n = double(rows) * size;
        if (threadIdx.x == 0) q[here] = -r * r * r * two / n, s[here] = -r * one / n;
    } else {
        const int c = here - parts * groups;
        for (int k = threadIdx.x; k < parts * chunks; k += blockDim.x) {
            one += plain[k * channels + c];
            two += double(inv_std[k / chunks * groups + c / size]) * along[k * channels + c];
        }
        one = block_sum(one);
        two = block_sum(two);
        if (threadIdx.x == 0) db[c] = one, dw[c] = two;
    }
}

// dx = w r dy + q (x - mean) + s.
extern "C" __global__ void normalize_grad(const real* __restrict__ dy, const real* __restrict__ x,
                                          const wide* __restrict__ w,
                                          const wide* __restrict__ mean,
                                          const wide* __restrict__ inv_std,
                                          const wide* __restrict__ q, const wide* __restrict__ s,
                                          real* __restrict__ dx, int rows, int channels, int groups,
                                          int chunk) {
    const Place at(rows, channels, chunk);
    if (!at.inside) return;
    Wides m, p, slope, shift;
    for (int l = 0; l < LANES; l++) {
        const int c = at.channel + l, g = at.part * groups + c / (channels / groups);
        m.at[l] = mean[g], p.at[l] = w[c] * inv_std[g], slope.at[l] = q[g], shift.at[l] = s[g];
    }
    for (int row = at.row; row < at.end; row += blockDim.y) {
        const int i = (at.part * rows + row) * channels + at.channel;
        const Reals d = read(dy, i);
        Reals v = read(x, i);
        for (int l = 0; l < LANES; l++)
            v.at[l] = real(p.at[l] * wide(d.at[l]) + slope.at[l] * (wide(v.at[l]) - m.at[l]) +
                           shift.at[l]);
        write(dx, i, v);
    }
}
