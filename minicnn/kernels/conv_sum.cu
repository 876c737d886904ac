// y = parts[0] + parts[1] + ... + b: what several blocks have each found a share of.

constexpr int LANES = 8;  // threads that share the parts of one number

// Grid: numbers / 32. Block: (32, LANES). Lane l adds parts l, l + LANES, ...; then the lanes'
// sums are added in order. So the result is the same at every run.
extern "C" __global__ void conv_sum(const wide* parts, const real* b, real* y, int count, int size,
                                    int filters) {
    __shared__ wide sums[LANES][32];
    const int i = blockIdx.x * 32 + threadIdx.x;
    wide sum = 0;
    if (i < size)
        for (int p = threadIdx.y; p < count; p += LANES) sum += parts[(long long)p * size + i];
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y || i >= size) return;
    for (int l = 1; l < LANES; l++) sum += sums[l][threadIdx.x];
    y[i] = (real)(b ? sum + (wide)b[i % filters] : sum);
}
