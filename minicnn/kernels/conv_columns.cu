// The windows of an image as a matrix, and back: (N OH OW, KH KW C), channels last everywhere.
//
// One thread moves AT_ONCE channels. `columns` is dense; images have strides of their own.

#include "conv_window.cuh"

#ifndef AT_ONCE  // channels in a row that may be read in one go
#define AT_ONCE 1
#endif

typedef Pack<real, AT_ONCE> Channels;

// columns[n oh ow, i j c] = x[n, oh SH + i DH - top, ow SW + j DW - left, c], or zero outside.
extern "C" __global__ void conv_columns(const real* x, real* columns,
                                        const __grid_constant__ Convolution t) {
    const int length = t.from / AT_ONCE, taps = t.rows.taps * t.columns.taps;
    FOR_EACH(i, t.images * t.rows.target * t.columns.target * taps * length) {
        const int c = i % length * AT_ONCE, tap = i / length % taps, pixel = i / length / taps;
        const int v = pixel % t.columns.target, u = pixel / t.columns.target % t.rows.target;
        const int n = pixel / t.columns.target / t.rows.target;
        const int row = u * t.rows.stride + tap / t.columns.taps * t.rows.dilation - t.rows.before;
        const int column = v * t.columns.stride + tap % t.columns.taps * t.columns.dilation -
                           t.columns.before;
        Channels seen;
        for (int j = 0; j < AT_ONCE; j++) seen.at[j] = (real)0.0f;
        if ((unsigned)row < (unsigned)t.rows.source && (unsigned)column < (unsigned)t.columns.source)
            seen = *(const Channels*)(x + n * t.stride[0] + row * t.stride[1] +
                                      column * t.stride[2] + c * t.stride[3]);
        *(Channels*)(columns + (long long)i * AT_ONCE) = seen;
    }
}

// The adjoint: x[n, h, w, c] = the sum of the columns that were copied from there. Each pixel looks
// up its windows itself, so no two threads write to the same place.
extern "C" __global__ void conv_image(const real* columns, real* x,
                                      const __grid_constant__ Convolution t) {
    const int length = t.from / AT_ONCE, taps = t.rows.taps * t.columns.taps;
    FOR_EACH(i, t.images * t.rows.source * t.columns.source * length) {
        const int c = i % length * AT_ONCE, pixel = i / length;
        const int w = pixel % t.columns.source, h = pixel / t.columns.source % t.rows.source;
        const int n = pixel / t.columns.source / t.rows.source;
        wide sum[AT_ONCE] = {};
        for (int a = 0; a < t.rows.taps; a++) {
            const int u = h + t.rows.before - a * t.rows.dilation;
            if (u < 0 || u % t.rows.stride || u / t.rows.stride >= t.rows.target) continue;
            for (int b = 0; b < t.columns.taps; b++) {
                const int v = w + t.columns.before - b * t.columns.dilation;
                if (v < 0 || v % t.columns.stride || v / t.columns.stride >= t.columns.target)
                    continue;
                const int window = (n * t.rows.target + u / t.rows.stride) * t.columns.target +
                                   v / t.columns.stride;
                const int tap = a * t.columns.taps + b;
                const Channels seen = *(const Channels*)(columns + (window * taps + tap) * t.from + c);
                for (int j = 0; j < AT_ONCE; j++) sum[j] += (wide)seen.at[j];
            }
        }
        Channels all;
        for (int j = 0; j < AT_ONCE; j++) all.at[j] = (real)sum[j];
        *(Channels*)(x + n * t.stride[0] + h * t.stride[1] + w * t.stride[2] + c * t.stride[3]) = all;
    }
}
