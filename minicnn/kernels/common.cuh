// What every .cu file begins with: the two number types, and sums over the threads of a block.
//
// REAL is the dtype in memory and WIDE the one that is computed in: float for float16, bfloat16
// and float32, double for float64. Both are set on the compiler's command line; see cuda.py.

#include <cuda_fp16.h>
#if BFLOAT16
#include <cuda_bf16.h>
#endif

typedef REAL real;
typedef WIDE wide;

// Walk over 0 ... n - 1 with all threads of the grid. n stays below 2^30, so i never overflows.
#define FOR_EACH(i, n) \
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += gridDim.x * blockDim.x)

// Several numbers that are read or written in one go, 16 bytes at most.
template <class T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack {
    T at[N];
};

// The sum of v over the 32 threads of a warp; every one of them gets it.
template <class T>
__device__ __forceinline__ T warp_sum(T v) {
    for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(0xffffffffu, v, step);
    return v;
}

// The sum of v over a block of whole warps, in the same order at every run; all threads get it.
template <class T>
__device__ __forceinline__ T block_sum(T v) {
    __shared__ T of_warp[32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    v = warp_sum(v);
    __syncthreads();  // an earlier sum may still be read
    if (lane == 0) of_warp[warp] = v;
    __syncthreads();
    return warp_sum(lane < (int)blockDim.x / 32 ? of_warp[lane] : T(0));
}
