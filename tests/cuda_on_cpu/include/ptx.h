// The functions of conv_ptx.cuh for a CPU: copies that arrive no sooner than they are waited for,
// and products of small matrices, of which each lane of a warp holds what PTX says it does.
#pragma once

#include "cuda_pipeline_primitives.h"

namespace cuda_on_cpu {

inline unsigned warp() { return current / 32; }

// Element `half` of a register that holds two numbers, or the one it holds.
inline float element(unsigned bits, unsigned half, const __half*) {
    __half v;
    v.bits = bits >> 16 * half;
    return v;
}
inline float element(unsigned bits, unsigned half, const __nv_bfloat16*) {
    return bits_as<float>(bits >> 16 * half << 16);
}
inline float element(unsigned bits, unsigned, const float*) { return bits_as<float>(bits); }

inline void load_four(unsigned (&to)[4], const void* row, bool transposed) {
    static const uint16_t* rows[32][32];  // warp, lane
    if ((uintptr_t)row % 16) __builtin_trap();
    rows[warp()][lane()] = (const uint16_t*)row;
    __syncwarp();
    const unsigned i = lane() / 4, j = lane() % 4 * 2;
    for (unsigned m = 0; m < 4; m++) {
        const auto matrix = rows[warp()] + m * 8;
        const unsigned low = transposed ? matrix[j][i] : matrix[i][j];
        const unsigned high = transposed ? matrix[j + 1][i] : matrix[i][j + 1];
        to[m] = low | high << 16;
    }
    __syncwarp();
}

}  // namespace cuda_on_cpu

template <int BYTES>
void begin_copy(void* to, const void* from, bool inside) {
    if ((uintptr_t)to % BYTES || (uintptr_t)from % BYTES) __builtin_trap();
    __pipeline_memcpy_async(to, from, BYTES, inside ? 0 : BYTES);
}
inline void end_batch() { __pipeline_commit(); }
template <int OPEN>
void wait_for_batches() { __pipeline_wait_prior(OPEN); }

inline void load_matrices(unsigned (&to)[4], const void* row) {
    cuda_on_cpu::load_four(to, row, false);
}
inline void load_transposed(unsigned (&to)[4], const void* row) {
    cuda_on_cpu::load_four(to, row, true);
}
inline unsigned to_tf32(float v) { return bits_as<unsigned>(rounded(v, 10)); }

template <class T>
void multiply_add(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], const T* type) {
    static unsigned left[32][32][4], right[32][32][2];  // warp, lane, register
    const unsigned own = cuda_on_cpu::warp(), lane = cuda_on_cpu::lane();
    memcpy(left[own][lane], a, sizeof a);
    memcpy(right[own][lane], b, sizeof b);
    __syncwarp();
    const unsigned each = 4 / sizeof(T);  // numbers in a register
    for (unsigned e = 0; e < 4; e++) {
        const unsigned m = lane / 4 + e / 2 * 8, n = lane % 4 * 2 + e % 2;
        for (unsigned k = 0; k < 8 * each; k++) {
            const unsigned side = k / (4 * each), place = k % (4 * each) / each, half = k % each;
            const unsigned x = left[own][m % 8 * 4 + place][m / 8 + 2 * side];
            const unsigned y = right[own][n * 4 + place][side];
            c[e] += cuda_on_cpu::element(x, half, type) * cuda_on_cpu::element(y, half, type);
        }
    }
    __syncwarp();
}
