// Pooling of images (N, H, W, C): the channels of a pixel side by side, LANES of them for a thread.
//
// The backward passes gather: each pixel looks up the windows that saw it. So every number is
// written once, and nothing is added by two threads at a time.

typedef Pack<real, LANES> Reals;
typedef Pack<wide, LANES> Wides;
typedef WINNER tap;  // the number i KW + j of the tap that won
typedef Pack<tap, LANES> Winners;

// Sizes of images and outputs, and where the windows stand; see geometry.py.
struct Windows {
    int n, h, w, c, oh, ow, kh, kw, sh, sw, top, left, dh, dw;
};

// Pixel (n, row, column) of images (N, rows, columns, C / LANES) that a flat number stands for.
struct Pixel {
    int n, row, column, channel;

    __device__ Pixel(int i, int rows, int columns, int packs) {
        channel = i % packs;
        i /= packs;
        column = i % columns;
        i /= columns;
        row = i % rows;
        n = i / rows;
    }
};

// y, winner (N, OH, OW, C): the largest pixel of each window and its tap.
//
// The first of equal pixels wins, a later NaN beats everything, and padding never wins.
extern "C" __global__ void max_pool(const Reals* __restrict__ x, Reals* __restrict__ y,
                                    Winners* __restrict__ winner, const Windows s) {
    const int packs = s.c / LANES;
    FOR_EACH(o, s.n * s.oh * s.ow * packs) {
        const Pixel at(o, s.oh, s.ow, packs);
        Reals best;
        Winners won;
        for (int l = 0; l < LANES; l++) best.at[l] = real(0.0f), won.at[l] = tap(-1);
        bool seen = false;
        for (int i = 0; i < s.kh; i++) {
            const int row = at.row * s.sh - s.top + i * s.dh;
            if (row < 0 || row >= s.h) continue;
            for (int j = 0; j < s.kw; j++) {
                const int column = at.column * s.sw - s.left + j * s.dw;
                if (column < 0 || column >= s.w) continue;
                const Reals v = x[((at.n * s.h + row) * s.w + column) * packs + at.channel];
                for (int l = 0; l < LANES; l++) {
                    const wide u = wide(v.at[l]);
                    if (!seen || u > wide(best.at[l]) || u != u)
                        best.at[l] = v.at[l], won.at[l] = tap(i * s.kw + j);
                }
                seen = true;
            }
        }
        y[o] = best;
        winner[o] = won;
    }
}

// The window along one axis that has `tap` over position p: its number, or -1 if there is none.
__device__ __forceinline__ int window_of(int p, int before, int tap, int dilation, int stride,
                                         int count) {
    const int start = p + before - tap * dilation;
    const int o = start / stride;
    return start >= 0 && o * stride == start && o < count ? o : -1;
}

// dx (N, H, W, C): the sum of the gradients of the windows that each pixel won.
extern "C" __global__ void max_pool_grad(const Reals* __restrict__ dy,
                                         const Winners* __restrict__ winner,
                                         Reals* __restrict__ dx, const Windows s) {
    const int packs = s.c / LANES;
    FOR_EACH(p, s.n * s.h * s.w * packs) {
        const Pixel at(p, s.h, s.w, packs);
        Wides sum = {};
        for (int i = 0; i < s.kh; i++) {
            const int row = window_of(at.row, s.top, i, s.dh, s.sh, s.oh);
            if (row < 0) continue;
            for (int j = 0; j < s.kw; j++) {
                const int column = window_of(at.column, s.left, j, s.dw, s.sw, s.ow);
                if (column < 0) continue;
                const int o = ((at.n * s.oh + row) * s.ow + column) * packs + at.channel;
                const Winners won = winner[o];
                const Reals d = dy[o];
                for (int l = 0; l < LANES; l++)
                    if (won.at[l] == tap(i * s.kw + j)) sum.at[l] += wide(d.at[l]);
            }
        }
        Reals v;
        for (int l = 0; l < LANES; l++) v.at[l] = real(sum.at[l]);
        dx[p] = v;
    }
}

// y (N, OH, OW, C): the sum of each window over `divisor`, or over divisors[row, column].
extern "C" __global__ void avg_pool(const Reals* __restrict__ x, Reals* __restrict__ y,
                                    const real* __restrict__ divisors, wide divisor,
                                    const Windows s) {
    const int packs = s.c / LANES;
    FOR_EACH(o, s.n * s.oh * s.ow * packs) {
        const Pixel at(o, s.oh, s.ow, packs);
        Wides sum = {};
        for (int i = 0; i < s.kh; i++) {
            const int row = at.row * s.sh - s.top + i;
            if (row < 0 || row >= s.h) continue;
            for (int j = 0; j < s.kw; j++) {
                const int column = at.column * s.sw - s.left + j;
                if (column < 0 || column >= s.w) continue;
                const Reals v = x[((at.n * s.h + row) * s.w + column) * packs + at.channel];
                for (int l = 0; l < LANES; l++) sum.at[l] += wide(v.at[l]);
            }
        }
        const wide by = divisors ? wide(divisors[at.row * s.ow + at.column]) : divisor;
        Reals v;
        for (int l = 0; l < LANES; l++) v.at[l] = real(sum.at[l] / by);
        y[o] = v;
    }
}

// dx (N, H, W, C): the sum of dy / divisor over the windows that see each pixel.
extern "C" __global__ void avg_pool_grad(const Reals* __restrict__ dy, Reals* __restrict__ dx,
                                         const real* __restrict__ divisors, wide divisor,
                                         const Windows s) {
    const int packs = s.c / LANES;
    FOR_EACH(p, s.n * s.h * s.w * packs) {
        const Pixel at(p, s.h, s.w, packs);
        Wides sum = {};
        for (int i = 0; i < s.kh; i++) {
            const int row = window_of(at.row, s.top, i, 1, s.sh, s.oh);
            if (row < 0) continue;
            for (int j = 0; j < s.kw; j++) {
                const int column = window_of(at.column, s.left, j, 1, s.sw, s.ow);
                if (column < 0) continue;
                const int o = ((at.n * s.oh + row) * s.ow + column) * packs + at.channel;
                const wide by = divisors ? wide(divisors[row * s.ow + column]) : divisor;
                const Reals d = dy[o];
                for (int l = 0; l < LANES; l++) sum.at[l] += wide(d.at[l]) / by;
            }
        }
        Reals v;
        for (int l = 0; l < LANES; l++) v.at[l] = real(sum.at[l]);
        dx[p] = v;
    }
}
