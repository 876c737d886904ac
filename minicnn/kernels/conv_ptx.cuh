// Instructions of the GPU that CUDA C++ has no words for, each as a function: copies that do not
// wait, and products of small matrices by all 32 threads of a warp together, on its tensor cores.
//
// Source: NVIDIA, "Parallel Thread Execution ISA": cp.async, ldmatrix, mma. Header files of CUDA
// offer some of these too, but come with the toolkit only, where CuPy needs none of it.

struct __nv_bfloat16;

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define ASYNC 0  // older GPUs have none of this, and copy at once
#else
#define ASYNC 1
#endif

#if !ASYNC

template <int BYTES>
__device__ __forceinline__ void begin_copy(void* to, const void* from, bool inside) {
    const Pack<int, BYTES / 4> zeros = {};
    *(Pack<int, BYTES / 4>*)to = inside ? *(const Pack<int, BYTES / 4>*)from : zeros;
}
__device__ __forceinline__ void end_batch() {}
template <int OPEN>
__device__ __forceinline__ void wait_for_batches() {}

#elif defined(__CUDACC__)  // a compiler for CPUs brings functions of its own

__device__ __forceinline__ unsigned shared_address(const void* p) {
    return (unsigned)__cvta_generic_to_shared(p);
}

// Begin to copy 4, 8 or 16 bytes to shared memory; if not `inside`, write zeros and read nothing.
template <int BYTES>
__device__ __forceinline__ void begin_copy(void* to, const void* from, bool inside) {
    if constexpr (BYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)),
                     "l"(from), "r"(inside ? 16 : 0)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(to)),
                     "l"(from), "n"(BYTES), "r"(inside ? BYTES : 0)
                     : "memory");
}

// The copies that this thread has begun since the last call are one batch.
__device__ __forceinline__ void end_batch() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Wait until at most `OPEN` batches of this thread are under way.
template <int OPEN>
__device__ __forceinline__ void wait_for_batches() {
    asm volatile("cp.async.wait_group %0;" ::"n"(OPEN) : "memory");
}

// Load four 8 x 8 matrices of 16-bit numbers. Lane i gives the address of row i % 8 of matrix i / 8
// and gets, of each, the numbers (i / 4, 2 (i % 4)) and (i / 4, 2 (i % 4) + 1).
__device__ __forceinline__ void load_matrices(unsigned (&to)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// The same, of the transposed matrices.
__device__ __forceinline__ void load_transposed(unsigned (&to)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// A float as TF32: rounded to 10 bits of significand.
__device__ __forceinline__ unsigned to_tf32(float v) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(v));
    return bits;
}

#define MULTIPLY_ADD(type, shape, types)                                                       \
    __device__ __forceinline__ void multiply_add(float (&c)[4], const unsigned (&a)[4],        \
                                                 const unsigned (&b)[2], const type*) {        \
        asm volatile("mma.sync.aligned." shape ".row.col." types                               \
                     " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"        \
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                          \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));      \
    }

// c += a b, for matrices of 16 x 16 and 16 x 8 numbers, or 16 x 8 and 8 x 8 in TF32. The last
// argument says which. c[0], c[1] are (i / 4, 2 (i % 4)) and its right neighbour; c[2], c[3] lie
// eight rows below.
MULTIPLY_ADD(__half, "m16n8k16", "f32.f16.f16.f32")
MULTIPLY_ADD(__nv_bfloat16, "m16n8k16", "f32.bf16.bf16.f32")
MULTIPLY_ADD(float, "m16n8k8", "f32.tf32.tf32.f32")

#endif
