// Copies to shared memory that arrive no sooner than they are waited for.
#pragma once

#include <vector>

#include "cuda_on_cpu.h"

namespace cuda_on_cpu {
struct Copy {
    void* to;
    const void* from;
    size_t size, zeros;
};
static std::vector<std::vector<std::vector<Copy>>> promised;  // thread, batch, copy
static unsigned long promised_in;                             // which block

inline std::vector<std::vector<Copy>>& mine() {
    if (promised_in != blocks_begun) promised.clear();
    promised_in = blocks_begun;
    promised.resize(fibers.size());
    auto& batches = promised[current];
    if (batches.empty()) batches.emplace_back();
    return batches;
}
}  // namespace cuda_on_cpu

inline void __pipeline_memcpy_async(void* to, const void* from, size_t size, size_t zeros = 0) {
    cuda_on_cpu::mine().back().push_back({to, from, size, zeros});
}
inline void __pipeline_commit() { cuda_on_cpu::mine().emplace_back(); }
inline void __pipeline_wait_prior(size_t open) {
    auto& batches = cuda_on_cpu::mine();
    while (batches.size() > open + 1) {
        for (auto& copy : batches.front()) {
            memcpy(copy.to, copy.from, copy.size - copy.zeros);
            memset((char*)copy.to + copy.size - copy.zeros, 0, copy.zeros);
        }
        batches.erase(batches.begin());
    }
}
