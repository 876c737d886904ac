"""`minicnn.cuda`: PyTorch's names for devices, streams, events, memory, older mixed precision."""

import pytest

import minicnn
from minicnn.errors import DeviceError, UnsupportedNameError

cuda = minicnn.cuda


def test_without_a_gpu_it_says_so_and_nothing_else_fails():
    if cuda.is_available():
        pytest.skip("there is a GPU")
    assert cuda.device_count() == 0 and cuda.why_not()
    assert not cuda.is_current_stream_capturing()
    for call in (cuda.current_device, cuda.Stream, cuda.Event, cuda.empty_cache, cuda.synchronize):
        with pytest.raises(DeviceError, match="no CUDA device can be used"):
            call()


def test_devices_are_named_as_in_pytorch(standin):
    assert cuda.is_available() and cuda.device_count() == 2 and cuda.current_device() == 0
    for device in (1, "cuda:1", minicnn.device("cuda", 1)):
        with cuda.device(device):
            assert cuda.current_device() == 1
            assert cuda.get_device_name() == cuda.get_device_name(device) == "Stand-in"
        assert cuda.current_device() == 0
    cuda.set_device(1)
    try:
        assert cuda.current_device() == 1
    finally:
        cuda.set_device("cuda:0")
    assert cuda.get_device_capability("cuda") == (9, 0)
    cuda.synchronize(1)
    with pytest.raises(DeviceError, match="expected a CUDA device, got 'cpu'"):
        cuda.synchronize("cpu")


def test_memory_can_be_asked_for_and_given_back(standin):
    assert cuda.memory_allocated() >= 0
    free, total = cuda.mem_get_info()
    assert 0 < free <= total
    cuda.empty_cache()


def test_streams_wait_for_events(standin):
    side, event = cuda.Stream(), cuda.Event()
    outside = cuda.current_stream().cuda_stream
    with cuda.stream(side):
        assert cuda.current_stream().cuda_stream == side.cuda_stream != outside
        event.record()
    assert cuda.current_stream().cuda_stream == outside
    with cuda.stream(None):
        assert cuda.current_stream().cuda_stream == outside
    side.cupy.calls.clear()
    side.wait_stream(cuda.current_stream())
    event.wait(side)
    assert side.cupy.calls == ["wait_event", "wait_event"]
    side.record_event().synchronize()
    side.synchronize()
    assert event.query() and side.cupy.calls[2:] == ["record", "synchronize"]


def test_the_older_spelling_of_mixed_precision_warns_and_works(standin):
    x = minicnn.ones(2, 2, device="cuda")
    with pytest.warns(FutureWarning, match="cuda.amp.autocast.* is deprecated"):
        context = cuda.amp.autocast()
    with context, minicnn.kernels.use("reference"):
        assert minicnn.is_autocast_enabled() and (x @ x).dtype == minicnn.float16
    with pytest.warns(FutureWarning, match="cuda.amp.GradScaler.* is deprecated"):
        scaler = cuda.amp.GradScaler(init_scale=4.0)
    assert scaler.scale(x).sum().item() == 16.0


def test_other_names_of_pytorchs_are_not_there():
    with pytest.raises(UnsupportedNameError, match=r"cuda\.max_memory_cached: minicnn has no"):
        cuda.max_memory_cached  # noqa: B018
    with pytest.raises(UnsupportedNameError, match=r"amp\.custom_forward: minicnn has no"):
        minicnn.amp.custom_forward  # noqa: B018
    for module in (cuda, minicnn.amp):
        with pytest.raises(AttributeError, match="has no attribute '__missing__'"):
            module.__missing__  # noqa: B018
    assert minicnn.amp.is_autocast_available("cuda") and not minicnn.amp.is_autocast_available("x")


@pytest.mark.gpu
def test_on_a_gpu_events_measure_time():
    if not cuda.is_available():
        pytest.skip("needs a GPU")
    begin, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    begin.record()
    x = minicnn.randn(1024, 1024, device="cuda")
    x = x @ x
    end.record()
    end.synchronize()
    assert end.query() and 0.0 < begin.elapsed_time(end) < 60_000.0
    assert cuda.memory_allocated() >= x.nbytes and cuda.memory_reserved() >= x.nbytes
