"""Whether CuPy can use a GPU here, and if not, why and what to do: in one line.

A GPU can be missing in many ways, and each shows at another moment. ``import cupy`` succeeds
without a driver; the driver can be older than CuPy; the libraries that compile kernels and multiply
matrices are loaded when they are first used; another program may have taken all memory. So all of
them are used once here.
"""

from __future__ import annotations

from types import ModuleType

INSTALL = "pip install 'minicnn[cuda13]', or [cuda12] for an older driver"


def find_cupy() -> tuple[ModuleType | None, str]:
    """Return CuPy, ready to use, and an empty string; or None and why it cannot be used."""
    try:
        import cupy
    except ModuleNotFoundError as error:
        return None, f"CuPy is not installed ({error}): {INSTALL}"
    except Exception as error:
        return None, f"CuPy cannot be imported ({_first_line(error)}): install it again, {INSTALL}"
    try:
        if cupy.cuda.runtime.getDeviceCount() == 0:
            return None, NO_GPU
        one = cupy.ones((2, 2), dtype="float32")  # the driver, memory
        one = one + 1  # compiles a kernel: NVRTC
        cupy.matmul(one, one)  # cuBLAS
    except Exception as error:  # the driver's own errors have many types
        return None, _reason(error)
    return cupy, ""


NO_GPU = "there is no CUDA GPU, or CUDA_VISIBLE_DEVICES hides it; use the CPU"
REASONS = {
    "InsufficientDriver": "the NVIDIA driver is missing, or older than CuPy's CUDA: run nvidia-smi "
    "to see its version, update it, or install the CuPy of an older CUDA ('minicnn[cuda12]')",
    "NoDevice": NO_GPU,
    "OutOfMemory": "the GPU's memory is full: run nvidia-smi to see which programs hold it",
    "MemoryAllocation": "the GPU's memory is full: run nvidia-smi to see which programs hold it",
    "NoKernelImageForDevice": "this GPU is too old for the installed CuPy",
}
LIBRARIES = ("nvrtc", "cublas", "cudart", "cannot open shared object", "could not be loaded")


def _reason(error: Exception) -> str:
    text = f"{type(error).__name__}: {_first_line(error)}"
    for sign, reason in REASONS.items():
        if sign in text:
            return f"{reason} ({text})"
    if any(sign in text.lower() for sign in LIBRARIES):
        return (
            "a CUDA library is missing: pip install 'cupy-cuda13x[ctk]' (or 'cupy-cuda12x[ctk]') "
            f"brings them ({text})"
        )
    return f"CuPy cannot use the GPU ({text})"


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def is_full(error: BaseException) -> bool:
    """Whether an exception says that a GPU's memory is full (not the computer's own)."""
    return type(error).__name__ == "OutOfMemoryError" and type(error).__module__.startswith("cupy")


def full_memory(name: str, error: BaseException) -> str:
    """Return what to say when operation `name` found the GPU's memory full."""
    return (
        f"{name}: the GPU's memory is full ({_first_line(error)}). Use a smaller batch, keep no "
        "tensors that are not needed (append loss.item(), not loss, to a list), and look with "
        "nvidia-smi for other programs"
    )
