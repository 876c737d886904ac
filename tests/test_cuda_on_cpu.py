"""The stand-in that runs CUDA kernels on the CPU finds the mistakes that it says it finds."""

import cuda_on_cpu
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(cuda_on_cpu.COMPILER is None, reason="needs g++")

CODE = """
#include <cuda_fp16.h>

struct alignas(16) Four {
    float at[4];
};
extern "C" __global__ void past(float* x, int n) {
    if (threadIdx.x == 3) x[n] = 1;
}
extern "C" __global__ void reversed(const float* x, float* y, bool waits) {
    __shared__ float all[64];
    all[threadIdx.x] = x[threadIdx.x];
    if (waits) __syncthreads();
    y[threadIdx.x] = all[63 - threadIdx.x];
}
extern "C" __global__ void strays() {
    if (threadIdx.x < 20) __syncthreads();
}
extern "C" __global__ void misaligned(const float* x, Four* y) {
    y[0] = *reinterpret_cast<const Four*>(x + 1);
}
extern "C" __global__ void dynamic(float* y) {
    extern __shared__ float all[];
    all[threadIdx.x] = y[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = all[(threadIdx.x + 1) % blockDim.x];
}
extern "C" __global__ void halves(const float* x, __half* y, float* z, int n) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) y[i] = x[i], z[i] = y[i];
}
"""


@pytest.fixture(scope="module")
def module():
    return cuda_on_cpu.RawModule(code=CODE)


def zeros(n=64, dtype="float32"):
    return cuda_on_cpu.asarray(np.zeros(n, dtype))


@pytest.mark.parametrize("index", [1000, -1])
def test_an_address_outside_an_array_is_found_at_the_end_that_is_guarded(module, index):
    found = 0
    for _ in range(20):  # at the end or at the beginning of a page, as a coin falls
        try:
            module.get_function("past")((1,), (32,), (zeros(1000), np.int32(index)))
        except RuntimeError as error:
            assert "outside every array" in str(error) and "thread (3, 0, 0)" in str(error)
            found += 1
    assert 0 < found < 20


def test_a_forgotten_wait_changes_the_result(module):
    right = {True: 0, False: 0}
    for i in range(20):
        waits, x, y = bool(i % 2), np.arange(64, dtype="float32") + i, zeros()
        arguments = (cuda_on_cpu.asarray(x), y, np.bool_(waits))
        module.get_function("reversed")((1,), (64,), arguments)
        right[waits] += np.array_equal(y.host, x[::-1])
    assert right == {True: 10, False: 0}


def test_threads_that_wait_for_others_in_vain_are_an_error(module):
    with pytest.raises(RuntimeError, match="others never reach"):
        module.get_function("strays")((1,), (32,), ())


def test_a_misaligned_vector_is_an_error(module):
    with pytest.raises(RuntimeError, match="undefined"):
        module.get_function("misaligned")((1,), (1,), (zeros(1024), zeros(1024, "float32")[:4]))


@pytest.mark.parametrize(
    "arguments, said",
    [
        ((zeros(), np.int64(3)), "i4 where it was given i8"),
        ((zeros(dtype="float64"), np.int32(3)), "Pf where it was given Pd"),
        ((zeros(), 3), "no exact type"),
    ],
)
def test_an_argument_of_another_type_than_the_kernel_takes_is_an_error(module, arguments, said):
    with pytest.raises(TypeError, match=said):
        module.get_function("past")((1,), (1,), arguments)


def test_dynamic_shared_memory_is_shared(module):
    y = cuda_on_cpu.asarray(np.arange(8, dtype="float32"))
    module.get_function("dynamic")((1,), (8,), (y,), shared_mem=32)
    np.testing.assert_array_equal(y.host, [1, 2, 3, 4, 5, 6, 7, 0])


def test_float16_rounds_as_numpy_does():
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(20000) * 10.0 ** rng.integers(-9, 5, 20000)).astype("float32")
    x[:4] = np.inf, -np.inf, np.nan, 65519.0
    with np.errstate(all="ignore"):
        expected = x.astype("float16")
    y, z = zeros(x.size, "float16"), zeros(x.size)
    module = cuda_on_cpu.RawModule(code=CODE)
    arguments = (cuda_on_cpu.asarray(x), y, z, np.int32(x.size))
    module.get_function("halves")((1,), (32,), arguments)
    np.testing.assert_array_equal(y.host, expected)
    np.testing.assert_array_equal(z.host, expected.astype("float32"))
