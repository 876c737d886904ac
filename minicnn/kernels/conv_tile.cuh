// Products of large matrices, c (M, N) = a (M, K) b (K, N), a tile of c for each block of threads.
//
// A block walks along K. At each step it copies a piece of a, (TILE_M, TILE_K), and one of b,
// (TILE_K, TILE_N), to shared memory, and adds their product to its tile of c, which its threads
// hold in registers. Every number is copied once and used TILE_N or TILE_M times. Copies run
// STAGES - 1 steps ahead of the products, so that memory and arithmetic work at the same time.
//
// What a and b are, the convolutions say by how they load. There are two ways to multiply: on
// tensor cores (TENSOR: float16, bfloat16, and float32 rounded to TF32), or number by number.
// Both add up in `wide`. GPUs before sm_80 have no suitable tensor cores and use the second.
//
// Source: CUTLASS's documentation, "Efficient GEMM in CUDA" (tiles of blocks, warps and threads).

#ifndef TILE_M  // chosen by cuda_conv_tiles.py
#define TILE_M 128
#define TILE_N 64
#define TENSOR 0
#define IMAGE_VECTOR 1
#define MATRIX_VECTOR 1
#endif

#define ON_TENSOR_CORES (TENSOR && ASYNC)

constexpr int STAGES = 3;
constexpr int TILE_K = 64 / sizeof(real);
constexpr int WARP_M = TILE_M == 128 && TILE_N == 64 ? 64 : 32;  // a warp's part of the tile
constexpr int WARP_N = TILE_N < 32 ? TILE_N : 32;
constexpr int WARPS_N = TILE_N / WARP_N;
constexpr int THREADS = TILE_M / WARP_M * WARPS_N * 32;

// A piece of a or b in shared memory. SIDE is its size along M or N. If K_LAST, numbers that are
// neighbours along K lie side by side, else those along M or N, whichever way they lie in global
// memory. Lines are padded so that the threads of a warp read from different banks.
template <int SIDE, bool K_LAST>
struct Piece {
    static constexpr bool k_last = K_LAST;
    static constexpr int pitch =
        K_LAST ? TILE_K + 16 / sizeof(real) : SIDE + (sizeof(real) == 2 ? 16 : 32) / sizeof(real);
    alignas(16) real numbers[(K_LAST ? SIDE : TILE_K) * pitch];

    __device__ __forceinline__ real* at(int side, int k) {
        return numbers + (K_LAST ? side * pitch + k : k * pitch + side);
    }
};

// Copy COUNT numbers to shared memory, or zeros unless they are `inside`.
template <int COUNT>
__device__ __forceinline__ void copy(real* to, const real* from, const real* valid, bool inside) {
    constexpr int BYTES = COUNT * sizeof(real);
    if constexpr (BYTES >= 4) {
        begin_copy<BYTES>(to, inside ? from : valid, inside);
    } else {
        Pack<real, COUNT> numbers;
        for (int i = 0; i < COUNT; i++) numbers.at[i] = (real)0.0f;
        if (inside) numbers = *(const Pack<real, COUNT>*)from;
        *(Pack<real, COUNT>*)to = numbers;
    }
}

// This thread's part of a tile of c; `Sums sums{}` begins at zero.
struct Sums {
#if ON_TENSOR_CORES
    float at[WARP_M / 16][WARP_N / 8][4];
#else
    wide at[WARP_M / 8][WARP_N / 4];
#endif

    // Add the product of two pieces.
    template <class A, class B>
    __device__ __forceinline__ void add(A& a, B& b);

    // Call store(p, n, sum) for every number; p = place(m), and m, n count within the tile. Rows
    // whose place is negative are left out.
    template <class Place, class Store>
    __device__ __forceinline__ void each(Place place, Store store) const;
};

__device__ __forceinline__ int warp_row() { return threadIdx.x / 32 / WARPS_N * WARP_M; }
__device__ __forceinline__ int warp_column() { return threadIdx.x / 32 % WARPS_N * WARP_N; }

#if ON_TENSOR_CORES

constexpr int DEPTH = 32 / sizeof(real);  // of one product of small matrices along K

template <class A>
__device__ __forceinline__ void load_left(unsigned (&to)[4], A& a, int m, int k) {
    const int lane = threadIdx.x % 32;
    if constexpr (sizeof(real) == 4) {
        for (int i = 0; i < 4; i++)
            to[i] = to_tf32(*a.at(m + lane / 4 + i % 2 * 8, k + lane % 4 + i / 2 * 4));
    } else if constexpr (A::k_last) {
        load_matrices(to, a.at(m + lane % 16, k + lane / 16 * 8));
    } else {
        load_transposed(to, a.at(m + lane / 8 % 2 * 8, k + lane / 16 * 8 + lane % 8));
    }
}

// Two matrices of eight columns, side by side.
template <class B>
__device__ __forceinline__ void load_right(unsigned (&to)[4], B& b, int n, int k) {
    const int lane = threadIdx.x % 32;
    if constexpr (sizeof(real) == 4) {
        for (int i = 0; i < 4; i++)
            to[i] = to_tf32(*b.at(n + lane / 4 + i / 2 * 8, k + lane % 4 + i % 2 * 4));
    } else if constexpr (B::k_last) {
        load_matrices(to, b.at(n + lane / 16 * 8 + lane % 8, k + lane / 8 % 2 * 8));
    } else {
        load_transposed(to, b.at(n + lane / 16 * 8, k + lane % 16));
    }
}

template <class A, class B>
__device__ __forceinline__ void Sums::add(A& a, B& b) {
#pragma unroll
    for (int k = 0; k < TILE_K; k += DEPTH) {
        unsigned left[WARP_M / 16][4], right[WARP_N / 16][4];
#pragma unroll
        for (int i = 0; i < WARP_M / 16; i++) load_left(left[i], a, warp_row() + i * 16, k);
#pragma unroll
        for (int j = 0; j < WARP_N / 16; j++) load_right(right[j], b, warp_column() + j * 16, k);
#pragma unroll
        for (int i = 0; i < WARP_M / 16; i++)
#pragma unroll
            for (int j = 0; j < WARP_N / 8; j++) {
                const unsigned half[2] = {right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]};
                multiply_add(at[i][j], left[i], half, (const real*)nullptr);
            }
    }
}

template <class Place, class Store>
__device__ __forceinline__ void Sums::each(Place place, Store store) const {
    const int m = warp_row() + threadIdx.x % 32 / 4;
    const int n = warp_column() + threadIdx.x % 4 * 2;
#pragma unroll
    for (int row = 0; row < WARP_M / 8; row++) {
        const int p = place(m + row * 8);
        if (p < 0) continue;
#pragma unroll
        for (int j = 0; j < WARP_N / 4; j++)
            store(p, n + j / 2 * 8 + j % 2, at[row / 2][j / 2][row % 2 * 2 + j % 2]);
    }
}

#else

template <class A, class B>
__device__ __forceinline__ void Sums::add(A& a, B& b) {
    const int m = warp_row() + threadIdx.x % 32 / 4, n = warp_column() + threadIdx.x % 4;
#pragma unroll 4
    for (int k = 0; k < TILE_K; k++) {
        wide left[WARP_M / 8], right[WARP_N / 4];
#pragma unroll
        for (int i = 0; i < WARP_M / 8; i++) left[i] = (wide)*a.at(m + i * 8, k);
#pragma unroll
        for (int j = 0; j < WARP_N / 4; j++) right[j] = (wide)*b.at(n + j * 4, k);
#pragma unroll
        for (int i = 0; i < WARP_M / 8; i++)
#pragma unroll
            for (int j = 0; j < WARP_N / 4; j++) at[i][j] += left[i] * right[j];
    }
}

template <class Place, class Store>
__device__ __forceinline__ void Sums::each(Place place, Store store) const {
    const int m = warp_row() + threadIdx.x % 32 / 4, n = warp_column() + threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < WARP_M / 8; i++) {
        const int p = place(m + i * 8);
        if (p < 0) continue;
#pragma unroll
        for (int j = 0; j < WARP_N / 4; j++) store(p, n + j * 4, at[i][j]);
    }
}

#endif

// Run the steps first ... last - 1 along K.
//
// list(step, slot) notes where the numbers of a step lie, in one of two tables; load(step, slot,
// stage) begins to copy them; multiply(stage) uses them. A barrier stands between any two of these
// that touch the same table or stage.
template <class List, class Load, class Multiply>
__device__ __forceinline__ void walk(int first, int last, List list, Load load, Multiply multiply) {
    static_assert(STAGES == 3, "there are as many tables as steps that are copied ahead");
    list(first, 0);
    list(first + 1, 1);
    __syncthreads();
    for (int ahead = 0; ahead < 2; ahead++) {
        if (first + ahead < last) load(first + ahead, ahead, ahead);
        end_batch();
    }
    __syncthreads();
    list(first + 2, 0);
    for (int step = first; step < last; step++) {
        const int done = step - first;
        wait_for_batches<1>();
        __syncthreads();
        if (step + 2 < last) load(step + 2, done % 2, (done + 2) % STAGES);
        end_batch();
        list(step + 3, (done + 1) % 2);
        multiply(done % STAGES);
    }
}
