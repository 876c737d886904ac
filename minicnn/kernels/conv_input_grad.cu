// dx = input_grad(dy, w): each pixel of dx gathers from the outputs that saw it. See
// conv_gather.cuh.

#include "conv_ptx.cuh"
#include "conv_tile.cuh"
#include "conv_window.cuh"
#include "conv_gather.cuh"

// Filters lie as (KH, KW, C, F): for one tap, the filters of one channel side by side, along K.
struct ByChannel {
    typedef Piece<TILE_N, true> Tile;

    static __device__ __forceinline__ int offset(const Convolution& t, int group, int tap, int f) {
        return tap * t.to * t.filters + group * t.from + f;
    }
    static __device__ __forceinline__ void load(Tile& b, const real* filters, const Tap* taps,
                                                int n0, const Convolution& t) {
        constexpr int LINE = TILE_K / MATRIX_VECTOR;
        for (int i = threadIdx.x; i < TILE_N * LINE; i += THREADS) {
            const int n = i / LINE, k = i % LINE * MATRIX_VECTOR;
            const bool inside = taps[k].filter >= 0 && n0 + n < t.to;
            const int place = taps[k].filter + (n0 + n) * t.filters;
            copy<MATRIX_VECTOR>(b.at(n, k), filters + place, filters, inside);
        }
    }
};

// The pixels p, p + stride, ... of dx. Output (p + before - tap dilation) / stride saw pixel p
// under `tap`, if that is a whole number: it is so for every (stride / gcd)-th tap, or for none.
__device__ __forceinline__ Phase along(const Window& w, int p) {
    int gcd = w.stride, rest = w.dilation % w.stride;
    while (rest) {
        const int next = gcd % rest;
        gcd = rest;
        rest = next;
    }
    const int every = w.stride / gcd, most = every < w.taps ? every : w.taps;
    int tap = 0;
    while (tap < most && (p + w.before - tap * w.dilation) % w.stride) tap++;
    const int taps = tap < most ? (w.taps - tap - 1) / every + 1 : 0;
    const int count = p < w.target ? (w.target - p - 1) / w.stride + 1 : 0;
    const int start = (p + w.before - tap * w.dilation) / w.stride;
    return {count, p, w.stride, taps, tap, every, start, 1, -(w.dilation / gcd)};
}

// Grid: tiles of the pixels of a phase, tiles of channels, phases x groups x splits. dy has strides
// of its own; dx (N, H, W, C) is dense.
extern "C" __global__ void __launch_bounds__(THREADS)
    conv_input_grad(const real* dy, const real* w, void* dx,
                 const __grid_constant__ Convolution t) {
    const int split = blockIdx.z % t.splits, rest = blockIdx.z / t.splits;
    const int group = rest % t.groups, phase = rest / t.groups;
    gather<ByChannel>(dy, w, nullptr, dx, t, along(t.rows, phase / t.columns.stride),
                      along(t.columns, phase % t.columns.stride), group, split);
}
