// CUDA C++ for an ordinary C++ compiler: enough of it to run the kernels of minicnn on a CPU.
//
// A block's threads are fibers (ucontext). One runs until it waits for others: at __syncthreads, or
// in a warp's shuffle. A scheduler resumes them, first to last or last to first, so that a kernel
// which forgets to wait gives different results in the two orders. Threads that can never be
// resumed, addresses outside an array, and undefined arithmetic (compiled to a trap) end the launch
// with a message.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "numbers_on_cpu.h"

#define __global__
#define __device__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

struct dim3 {
    unsigned x, y, z;
};

static dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace cuda_on_cpu {

enum State { READY, AT_BLOCK, AT_WARP, DONE };

struct Fiber {
    ucontext_t context;
    dim3 index;
    State state;
    unsigned mask;            // the lanes it waits for
    unsigned char slot[64];   // what it shows to its warp
    std::vector<char> stack;
};

static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static unsigned current;
static void (*body)(void**);
static void** arguments;
static std::vector<unsigned char> dynamic;
static char trouble[400];
static unsigned long blocks_begun;

inline void say(const char* what) {
    snprintf(trouble, sizeof trouble, "%s, in thread (%u, %u, %u) of block (%u, %u, %u)", what,
             threadIdx.x, threadIdx.y, threadIdx.z, blockIdx.x, blockIdx.y, blockIdx.z);
}

inline void enter() {
    body(arguments);
    fibers[current].state = DONE;
    swapcontext(&fibers[current].context, &scheduler);
}

inline void wait(State state, unsigned mask = 0) {
    Fiber& me = fibers[current];
    me.state = state;
    me.mask = mask;
    swapcontext(&me.context, &scheduler);
}

inline void on_signal(int number, siginfo_t* info, void*) {
    char text[100];
    if (number == SIGSEGV || number == SIGBUS)
        snprintf(text, sizeof text, "touched memory outside every array (%p)", info->si_addr);
    else
        snprintf(text, sizeof text, "undefined: an index, an alignment, a division or a shift");
    say(text);
    setcontext(&scheduler);
}

// Let the waiting threads go on that have waited for all they wait for. False if there are none.
inline bool release() {
    const unsigned n = fibers.size();
    unsigned at_block = 0;
    for (Fiber& f : fibers) at_block += f.state == AT_BLOCK;
    if (at_block == n) {
        for (Fiber& f : fibers) f.state = READY;
        return true;
    }
    bool any = false;
    for (unsigned first = 0; first < n; first += 32) {
        const unsigned lanes = std::min(32u, n - first);
        const unsigned all = lanes == 32 ? ~0u : (1u << lanes) - 1;
        for (unsigned i = 0; i < lanes; i++) {
            Fiber& f = fibers[first + i];
            if (f.state != AT_WARP) continue;
            const unsigned mask = f.mask & all;
            unsigned here = 0;
            for (unsigned j = 0; j < lanes; j++) {
                Fiber& other = fibers[first + j];
                if (other.state == AT_WARP && (other.mask & all) == mask) here |= 1u << j;
            }
            if ((here & mask) != mask) continue;
            for (unsigned j = 0; j < lanes; j++)
                if (mask >> j & 1) fibers[first + j].state = READY;
            any = true;
        }
    }
    return any;
}

inline void run_block(bool reversed) {
    const unsigned n = blockDim.x * blockDim.y * blockDim.z;
    blocks_begun++;
    if (fibers.size() != n) fibers = std::vector<Fiber>(n);
    std::fill(dynamic.begin(), dynamic.end(), 0xff);  // shared memory begins with anything: NaN
    for (unsigned i = 0; i < n; i++) {
        Fiber& f = fibers[i];
        f.stack.resize(1 << 17);
        f.state = READY;
        f.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack.data();
        f.context.uc_stack.ss_size = f.stack.size();
        f.context.uc_link = nullptr;
        makecontext(&f.context, enter, 0);
    }
    for (;;) {
        unsigned done = 0;
        for (unsigned k = 0; k < n; k++) {
            current = reversed ? n - 1 - k : k;
            Fiber& f = fibers[current];
            if (f.state == READY) {
                threadIdx = f.index;
                swapcontext(&scheduler, &f.context);
                if (trouble[0]) return;
            }
            done += f.state == DONE;
        }
        if (done == n) return;
        if (!release()) {
            say("some threads wait at a __syncthreads or shuffle that others never reach; the last");
            return;
        }
    }
}

inline const char* launch(void (*kernel)(void**), const unsigned* grid, const unsigned* block,
                          size_t shared, void** given, bool reversed) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    body = kernel;
    arguments = given;
    dynamic.resize(shared + 16);
    trouble[0] = 0;
    const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    struct sigaction ours = {}, before[5];
    ours.sa_sigaction = on_signal;
    ours.sa_flags = SA_SIGINFO | SA_NODEFER;
    for (int i = 0; i < 5; i++) sigaction(numbers[i], &ours, &before[i]);
    const unsigned count = grid[0] * grid[1] * grid[2];
    for (unsigned k = 0; k < count && !trouble[0]; k++) {
        const unsigned i = reversed ? count - 1 - k : k;
        blockIdx = {i % grid[0], i / grid[0] % grid[1], i / grid[0] / grid[1]};
        run_block(reversed);
    }
    for (int i = 0; i < 5; i++) sigaction(numbers[i], &before[i], nullptr);
    return trouble;
}

// ---- what a kernel takes: "Pf" a pointer to float or packs of them, "i4" an int, "S8" a struct

template <class T>
std::string code() {
    using U = std::remove_cv_t<T>;
    if constexpr (std::is_pointer_v<U>) {
        using V = std::remove_cv_t<std::remove_pointer_t<U>>;
        if constexpr (requires(V v) { v.at[0]; })
            return "P" + code<std::remove_reference_t<decltype(std::declval<V>().at[0])>>();
        else if constexpr (std::is_class_v<V> && sizeof(V) > 2)
            return "Pv";
        else
            return "P" + code<V>();
    }
    if constexpr (std::is_same_v<U, bool>) return "?";
    if constexpr (std::is_same_v<U, __half>) return "e";
    if constexpr (std::is_same_v<U, __nv_bfloat16>) return "E";
    if constexpr (std::is_same_v<U, float>) return "f";
    if constexpr (std::is_same_v<U, double>) return "d";
    if constexpr (std::is_integral_v<U>)
        return (std::is_signed_v<U> ? "i" : "u") + std::to_string(sizeof(U));
    else if constexpr (std::is_class_v<U>)
        return "S" + std::to_string(sizeof(U));
    return "v";
}

template <class... P>
std::string signature(void (*)(P...)) {
    std::string all;
    ((all += code<P>() + " "), ...);
    return all;
}

template <class... P, size_t... I>
void unpack(void (*kernel)(P...), void** given, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_const_t<P>*>(given[I])...);
}

template <class... P>
void call(void (*kernel)(P...), void** given) {
    unpack(kernel, given, std::index_sequence_for<P...>());
}

inline unsigned char* dynamic_shared() {  // aligned to 16 bytes, as on a GPU
    return reinterpret_cast<unsigned char*>(
        (reinterpret_cast<uintptr_t>(dynamic.data()) + 15) / 16 * 16);
}

// ---- warps

inline unsigned lane() { return current % 32; }

template <class T>
T show(unsigned mask, T mine, unsigned source) {
    static_assert(sizeof(T) <= sizeof(Fiber::slot));
    const unsigned first = current - lane();
    memcpy(fibers[current].slot, &mine, sizeof(T));
    wait(AT_WARP, mask);
    T seen = mine;
    if (source < 32 && first + source < fibers.size() && (mask >> source & 1))
        memcpy(&seen, fibers[first + source].slot, sizeof(T));
    wait(AT_WARP, mask);
    return seen;
}

}  // namespace cuda_on_cpu

inline void __syncthreads() { cuda_on_cpu::wait(cuda_on_cpu::AT_BLOCK); }
inline void __syncwarp(unsigned mask = ~0u) { cuda_on_cpu::wait(cuda_on_cpu::AT_WARP, mask); }

template <class T>
T __shfl_sync(unsigned mask, T v, int source, int width = 32) {
    const int lane = cuda_on_cpu::lane();
    return cuda_on_cpu::show(mask, v, lane / width * width + source % width);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32) {
    const unsigned lane = cuda_on_cpu::lane(), source = lane ^ bits;
    return cuda_on_cpu::show(mask, v, source / width > lane / width ? lane : source);
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned step, int width = 32) {
    const unsigned lane = cuda_on_cpu::lane();
    return cuda_on_cpu::show(mask, v, lane % width + step < (unsigned)width ? lane + step : lane);
}
#include "ptx.h"
