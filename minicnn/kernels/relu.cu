// max(x, 0) and its derivative, over arrays that are read as one run of memory; max(x + b, 0).

typedef Pack<real, LANES> Reals;

__device__ __forceinline__ real relu_of(real v) {
    return wide(v) > 0 || wide(v) != wide(v) ? v : real(0.0f);  // NaN stays NaN
}

__device__ __forceinline__ real gated(real dy, real y) {
    return wide(y) != 0 ? dy : real(0.0f);
}

// n counts packs here and below.
extern "C" __global__ void relu(const Reals* __restrict__ x, Reals* __restrict__ y, int n) {
    FOR_EACH(i, n) {
        Reals v = x[i];
        for (int l = 0; l < LANES; l++) v.at[l] = relu_of(v.at[l]);
        y[i] = v;
    }
}

// dx = dy where y != 0, else 0; dx may be dy.
extern "C" __global__ void relu_grad(const Reals* dy, const Reals* __restrict__ y, Reals* dx,
                                     int n) {
    FOR_EACH(i, n) {
        Reals d = dy[i];
        const Reals v = y[i];
        for (int l = 0; l < LANES; l++) d.at[l] = gated(d.at[l], v.at[l]);
        dx[i] = d;
    }
}

// y = max(x + b, 0). Neighbours along the channel axis lie `inner` numbers apart, so the number at i
// belongs to channel (i / inner) % channels, in whatever order the other axes lie.
extern "C" __global__ void bias_relu(const Reals* __restrict__ x, Reals* __restrict__ y, int n,
                                     const real* __restrict__ b, int channels, int inner) {
    FOR_EACH(i, n) {
        Reals v = x[i];
        int within = i * LANES % inner, c = i * LANES / inner % channels;
        for (int l = 0; l < LANES; l++) {
            v.at[l] = relu_of(real(wide(v.at[l]) + wide(b[c])));
            if (++within == inner) within = 0, c = c + 1 == channels ? 0 : c + 1;
        }
        y[i] = v;
    }
}
