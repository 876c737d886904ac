// dw = weight_grad(dy, x): the product (what windows see)^T dy, added up over all pixels.
//
// The taps of the window, and for each the channels of x, are the rows of c; filters its columns;
// along K run the pixels of dy. There are few rows and columns, and a great many pixels, so these
// are split among blocks, and `conv_sum` adds up what they found, always in the same order.

#include "conv_ptx.cuh"
#include "conv_tile.cuh"
#include "conv_window.cuh"

struct Pixel {
    int source, row, column, dy;  // offset in x, place there, offset in dy
};

struct Tap {
    int source, row, column;  // what to add to a Pixel's
};

// Grid: tiles of taps and channels, tiles of filters, groups x splits. dw (KH, KW, C, F) is dense.
// With more than one split it is `wide`, an array for each.
extern "C" __global__ void __launch_bounds__(THREADS)
    conv_weight_grad(const real* dy, const real* x, void* dw,
                     const __grid_constant__ Convolution t) {
    __shared__ Piece<TILE_M, false> a[STAGES];
    __shared__ Piece<TILE_N, false> b[STAGES];
    __shared__ Tap taps[TILE_M];
    __shared__ Pixel pixels[2][TILE_K];

    const int m0 = blockIdx.x * TILE_M, n0 = blockIdx.y * TILE_N;
    const int group = blockIdx.z / t.splits, split = blockIdx.z % t.splits;
    const int m_count = t.rows.taps * t.columns.taps * t.from;
    const int k_count = t.images * t.rows.target * t.columns.target;
    x += group * t.from * t.stride[3];
    dy += group * t.to * t.other_stride[3];

    for (int i = threadIdx.x; i < TILE_M; i += THREADS) {
        const int m = m0 + i, c = m % t.from, tap = m / t.from;
        const int row = tap / t.columns.taps * t.rows.dilation;
        const int column = tap % t.columns.taps * t.columns.dilation;
        taps[i] = {row * t.stride[1] + column * t.stride[2] + c * t.stride[3], row, column};
        if (m >= m_count) taps[i] = {0, FAR, FAR};
    }

    auto list = [&](int step, int slot) {
        for (int i = threadIdx.x; i < TILE_K; i += THREADS) {
            const int k = step * TILE_K + i, v = k % t.columns.target;
            const int u = k / t.columns.target % t.rows.target;
            const int n = k / t.columns.target / t.rows.target;
            const int row = u * t.rows.stride - t.rows.before;
            const int column = v * t.columns.stride - t.columns.before;
            pixels[slot][i] = {n * t.stride[0] + row * t.stride[1] + column * t.stride[2], row,
                               column,
                               n * t.other_stride[0] + u * t.other_stride[1] + v * t.other_stride[2]};
            if (k >= k_count) pixels[slot][i] = {0, FAR, FAR, 0};
        }
    };
    auto load = [&](int step, int slot, int stage) {
        constexpr int LINE = TILE_M / IMAGE_VECTOR;
        for (int i = threadIdx.x; i < TILE_K * LINE; i += THREADS) {
            const int k = i / LINE, m = i % LINE * IMAGE_VECTOR;
            const Pixel pixel = pixels[slot][k];
            const Tap tap = taps[m];
            const bool inside =
                (unsigned)(pixel.row + tap.row) < (unsigned)t.rows.source &&
                (unsigned)(pixel.column + tap.column) < (unsigned)t.columns.source;
            copy<IMAGE_VECTOR>(a[stage].at(m, k), x + pixel.source + tap.source, x, inside);
        }
        constexpr int WIDTH = TILE_N / MATRIX_VECTOR;
        for (int i = threadIdx.x; i < TILE_K * WIDTH; i += THREADS) {
            const int k = i / WIDTH, n = i % WIDTH * MATRIX_VECTOR;
            const bool inside = step * TILE_K + k < k_count && n0 + n < t.to;
            const int place = pixels[slot][k].dy + (n0 + n) * t.other_stride[3];
            copy<MATRIX_VECTOR>(b[stage].at(n, k), dy + place, dy, inside);
        }
    };
    Sums sums{};
    const int steps = (k_count + TILE_K - 1) / TILE_K;
    walk((int)((long long)steps * split / t.splits),
         (int)((long long)steps * (split + 1) / t.splits), list, load,
         [&](int stage) { sums.add(a[stage], b[stage]); });

    const long long size = (long long)m_count * t.filters;
    sums.each([&](int m) { return m0 + m < m_count ? m0 + m : -1; },
              [&](int m, int n, wide sum) {
                  if (n0 + n >= t.to) return;
                  const int i = m * t.filters + group * t.to + n0 + n;
                  if (t.splits > 1)
                      ((wide*)dw)[size * split + i] = sum;
                  else
                      ((real*)dw)[i] = (real)sum;
              });
}
