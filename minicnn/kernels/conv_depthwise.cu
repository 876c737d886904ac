// Convolution with one channel a group: no matrices, each output is a short sum of its own.
//
// Channels lie side by side, so the threads of a warp read and write side by side. A channel c has
// `to` filters, c to ... c to + to - 1; filters lie as (KH, KW, F).

#include "conv_window.cuh"

// y[n, oh, ow, f] = b[f] + sum over i, j of x[n, oh SH + i DH - top, ow SW + j DW - left, c] w[i, j, f]
extern "C" __global__ void conv_depthwise(const real* x, const real* w, const real* b, real* y,
                                          const __grid_constant__ Convolution t) {
    FOR_EACH(i, t.images * t.rows.target * t.columns.target * t.filters) {
        const int f = i % t.filters, pixel = i / t.filters;
        const int v = pixel % t.columns.target, u = pixel / t.columns.target % t.rows.target;
        const int n = pixel / t.columns.target / t.rows.target;
        const real* image = x + n * t.stride[0] + f / t.to * t.stride[3];
        wide sum = b ? (wide)b[f] : (wide)0;
        for (int a = 0; a < t.rows.taps; a++) {
            const int row = u * t.rows.stride + a * t.rows.dilation - t.rows.before;
            if ((unsigned)row >= (unsigned)t.rows.source) continue;
            for (int c = 0; c < t.columns.taps; c++) {
                const int column = v * t.columns.stride + c * t.columns.dilation - t.columns.before;
                if ((unsigned)column >= (unsigned)t.columns.source) continue;
                sum += (wide)image[row * t.stride[1] + column * t.stride[2]] *
                       (wide)w[(a * t.columns.taps + c) * t.filters + f];
            }
        }
        y[i] = (real)sum;
    }
}

// dx[n, h, w, c] = the sum over the outputs that saw it, of dy w. dy has the other strides.
extern "C" __global__ void conv_depthwise_input_grad(const real* dy, const real* w, real* dx,
                                                     const __grid_constant__ Convolution t) {
    FOR_EACH(i, t.images * t.rows.source * t.columns.source * t.groups) {
        const int c = i % t.groups, pixel = i / t.groups;
        const int right = pixel % t.columns.source, down = pixel / t.columns.source % t.rows.source;
        const int n = pixel / t.columns.source / t.rows.source;
        wide sum = 0;
        for (int a = 0; a < t.rows.taps; a++) {
            const int u = down + t.rows.before - a * t.rows.dilation;
            if (u < 0 || u % t.rows.stride || u / t.rows.stride >= t.rows.target) continue;
            for (int b = 0; b < t.columns.taps; b++) {
                const int v = right + t.columns.before - b * t.columns.dilation;
                if (v < 0 || v % t.columns.stride || v / t.columns.stride >= t.columns.target)
                    continue;
                const real* seen = dy + n * t.other_stride[0] +
                                   u / t.rows.stride * t.other_stride[1] +
                                   v / t.columns.stride * t.other_stride[2];
                const real* filter = w + (a * t.columns.taps + b) * t.filters;
                for (int f = c * t.to; f < (c + 1) * t.to; f++)
                    sum += (wide)seen[f * t.other_stride[3]] * (wide)filter[f];
            }
        }
        dx[i] = (real)sum;
    }
}

constexpr int LANES = 8;  // threads of a block that share the pixels of one filter

// dw[i, j, f] = the sum over all pixels of dy x. Grid: filters / 32, taps, splits of the pixels;
// block: (32, LANES). Each split writes an array (KH, KW, F) of its own, for conv_sum.
extern "C" __global__ void conv_depthwise_weight_grad(const real* dy, const real* x, wide* parts,
                                                      const __grid_constant__ Convolution t) {
    __shared__ wide sums[LANES][32];
    const int f = blockIdx.x * 32 + threadIdx.x, tap = blockIdx.y;
    const int pixels = t.images * t.rows.target * t.columns.target;
    wide sum = 0;
    for (int i = blockIdx.z * LANES + threadIdx.y; i < pixels; i += gridDim.z * LANES) {
        const int v = i % t.columns.target, u = i / t.columns.target % t.rows.target;
        const int n = i / t.columns.target / t.rows.target;
        const int row = u * t.rows.stride + tap / t.columns.taps * t.rows.dilation - t.rows.before;
        const int column = v * t.columns.stride + tap % t.columns.taps * t.columns.dilation -
                           t.columns.before;
        if (f >= t.filters || (unsigned)row >= (unsigned)t.rows.source ||
            (unsigned)column >= (unsigned)t.columns.source)
            continue;
        sum += (wide)x[n * t.stride[0] + row * t.stride[1] + column * t.stride[2] +
                       f / t.to * t.stride[3]] *
               (wide)dy[n * t.other_stride[0] + u * t.other_stride[1] + v * t.other_stride[2] +
                        f * t.other_stride[3]];
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y || f >= t.filters) return;
    for (int l = 1; l < LANES; l++) sum += sums[l][threadIdx.x];
    parts[(blockIdx.z * gridDim.y + tap) * t.filters + f] = sum;
}
