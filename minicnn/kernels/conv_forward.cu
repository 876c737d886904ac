// y = conv(x, w) + b: each pixel of y gathers what its window sees. See conv_gather.cuh.

#include "conv_ptx.cuh"
#include "conv_tile.cuh"
#include "conv_window.cuh"
#include "conv_gather.cuh"

// Filters lie as (KH, KW, C, F): for one tap and channel, those of all filters side by side.
struct ByFilter {
    typedef Piece<TILE_N, false> Tile;

    static __device__ __forceinline__ int offset(const Convolution& t, int group, int tap, int c) {
        return (tap * t.from + c) * t.filters + group * t.to;
    }
    static __device__ __forceinline__ void load(Tile& b, const real* filters, const Tap* taps,
                                                int n0, const Convolution& t) {
        constexpr int LINE = TILE_N / MATRIX_VECTOR;
        for (int i = threadIdx.x; i < TILE_K * LINE; i += THREADS) {
            const int k = i / LINE, n = i % LINE * MATRIX_VECTOR;
            const bool inside = taps[k].filter >= 0 && n0 + n < t.to;
            copy<MATRIX_VECTOR>(b.at(n, k), filters + taps[k].filter + n0 + n, filters, inside);
        }
    }
};

__device__ __forceinline__ Phase along(const Window& w) {
    return {w.target, 0, 1, w.taps, 0, 1, -w.before, w.stride, w.dilation};
}

// Grid: tiles of pixels, tiles of filters, groups x splits. x has strides of its own; y (N, H, W,
// F) is dense.
extern "C" __global__ void __launch_bounds__(THREADS)
    conv_forward(const real* x, const real* w, const real* b, void* y,
                 const __grid_constant__ Convolution t) {
    gather<ByFilter>(x, w, b, y, t, along(t.rows), along(t.columns), blockIdx.z / t.splits,
                     blockIdx.z % t.splits);
}
