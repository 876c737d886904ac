"""Module: members, the walk over the tree, state dicts, conversions and errors."""

from __future__ import annotations

import copy
import pickle
import re
from collections import OrderedDict

import numpy as np
import pytest
from sharing import shares_memory

import minicnn
from minicnn import nn
from minicnn.errors import (
    ArgumentError,
    DeviceError,
    DTypeError,
    RegistrationError,
    ShapeError,
    StateDictError,
    UnsupportedNameError,
)


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def make_net(library, nn):
    """One network in either library: nested, with a shared module, buffers, a bare tensor."""

    class Block(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv = nn.Conv2d(channels, channels, 3, padding=1)
            self.norm = nn.BatchNorm2d(channels)

        def forward(self, x):
            return self.norm(self.conv(x)).relu() + x

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.Sequential(Block(2), nn.Sequential(nn.ReLU(), Block(2)))
            self.again = self.blocks[0].conv
            self.scale = nn.Parameter(library.ones(2, 1, 1))
            self.register_parameter("nothing", None)
            self.register_buffer("mean", library.zeros(2))
            self.register_buffer("hidden", library.zeros(3), persistent=False)
            self.constant = library.zeros(4)
            self.fc = nn.Linear(2, 3)

        def forward(self, x):
            return self.fc(self.again(self.blocks(x) * self.scale).mean((2, 3)))

    return Net()


@pytest.fixture
def net():
    return make_net(minicnn, nn)


def names(pairs):
    return [name for name, _ in pairs]


# ------------------------------------------------------------------------------- the tree


def test_walks_yield_the_names_and_the_order_of_pytorch(torch, net):
    theirs = make_net(torch, torch.nn)
    for option in ({}, {"prefix": "net"}, {"remove_duplicate": False}):
        for walk in ("named_modules", "named_parameters", "named_buffers"):
            expected = names(getattr(theirs, walk)(**option))
            assert names(getattr(net, walk)(**option)) == expected, (walk, option)
    assert names(net.named_children()) == names(theirs.named_children())
    assert names(net.named_parameters(recurse=False)) == ["scale"]
    assert names(net.named_buffers(recurse=False)) == ["mean", "hidden"]
    assert list(net.state_dict()) == list(theirs.state_dict())
    assert list(net.state_dict(prefix="a.")) == list(theirs.state_dict(prefix="a."))
    assert repr(net) == repr(theirs)


def test_walks_yield_the_objects_themselves(net):
    assert next(net.modules()) is net
    assert list(net.children()) == [net.blocks, net.again, net.fc]
    assert next(net.parameters()) is net.scale
    assert next(net.buffers()) is net.mean
    assert len(list(net.parameters())) == len({id(p) for p in net.parameters()}) == 11


def test_members_are_found_by_their_path(net):
    assert net.get_submodule("") is net
    assert net.get_submodule("blocks.1.1.conv") is net.blocks[1][1].conv
    assert net.get_parameter("blocks.0.norm.weight") is net.blocks[0].norm.weight
    assert net.get_buffer("blocks.0.norm.running_mean") is net.blocks[0].norm.running_mean
    net.set_submodule("blocks.1.0", nn.Tanh())
    assert isinstance(net.blocks[1][0], nn.Tanh)
    net.set_submodule("fc.extra", nn.Tanh())
    assert isinstance(net.fc.extra, nn.Tanh)
    del net.fc.extra
    with pytest.raises(AttributeError, match=r"Net has no module `block`.* mean 'blocks'"):
        net.get_submodule("block.0")
    with pytest.raises(AttributeError, match=r"Linear has no parameter `wieght`.*mean 'weight'"):
        net.get_parameter("fc.wieght")
    with pytest.raises(AttributeError, match="Linear has no buffer `weight`"):
        net.get_buffer("fc.weight")
    with pytest.raises(AttributeError, match="has no module `absent`"):
        net.set_submodule("absent", nn.Tanh(), strict=True)
    with pytest.raises(ArgumentError, match="set_submodule: expected a name and a Module"):
        net.set_submodule("fc", 3)


def test_apply_visits_children_before_their_parent(net):
    seen = []
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen[:3] == ["Conv2d", "BatchNorm2d", "Block"] and seen[-1] == "Net"


def test_train_and_eval_reach_every_module(net):
    assert net.eval() is net and not any(m.training for m in net.modules())
    net.fc.train()
    assert not net.training and net.fc.training
    assert all(m.training for m in net.train().modules())
    with pytest.raises(ArgumentError, match="mode must be True or False, got 1"):
        net.train(1)


def test_requires_grad_freezes_and_zero_grad_forgets(net):
    x = minicnn.randn(2, 2, 5, 5)
    net(x).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(not p.grad.array.any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    net.fc.requires_grad_()
    net(x).sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is not None] == ["fc.weight", "fc.bias"]


def test_zero_grad_cuts_a_gradient_from_its_graph():
    layer = nn.Linear(2, 1)
    (layer(minicnn.ones(1, 2)) ** 2).sum().backward(create_graph=True)
    assert layer.weight.grad.requires_grad
    layer.zero_grad(set_to_none=False)
    assert not layer.weight.grad.requires_grad


# ------------------------------------------------------------------------------- members


def test_assignment_registers_and_reassignment_moves():
    m = nn.Module()
    m.a = nn.Parameter(minicnn.ones(2))
    m.b = nn.Linear(2, 2)
    m.c = nn.Buffer(minicnn.ones(3))
    m.d = nn.Buffer(minicnn.ones(3), persistent=False)
    m.e = minicnn.ones(4)
    assert names(m.named_parameters()) == ["a", "b.weight", "b.bias"]
    assert names(m.named_buffers()) == ["c", "d"]
    assert list(m.state_dict()) == ["a", "c", "b.weight", "b.bias"]
    m.a = nn.Tanh()
    m.b = nn.Parameter(minicnn.ones(1))
    m.c = minicnn.zeros(5)
    m.e = nn.Parameter(minicnn.ones(1))
    assert names(m.named_parameters()) == ["b", "e"]
    assert names(m.named_children()) == ["a"]
    assert m.get_buffer("c").shape == (5,)
    m.b = None
    assert names(m.named_parameters()) == ["e"] and m.b is None
    m.a = None
    assert list(m.children()) == [] and m.a is None
    del m.c, m.a, m.e
    assert not hasattr(m, "c") and not hasattr(m, "a") and not hasattr(m, "e")
    m.plain = 3
    del m.plain
    assert not hasattr(m, "plain")


def test_a_buffer_stays_as_persistent_as_it_was_last_registered():
    m = nn.Module()
    m.register_buffer("b", minicnn.ones(1), persistent=False)
    m.b = minicnn.zeros(2)
    assert list(m.state_dict()) == []
    m.register_buffer("b", minicnn.ones(1))
    assert list(m.state_dict()) == ["b"]
    m.register_buffer("b", minicnn.ones(1), persistent=False)
    del m.b
    m.register_buffer("b", None)
    m.b = minicnn.ones(1)
    assert list(m.state_dict()) == ["b"]
    m.c = copy.deepcopy(nn.Buffer(minicnn.ones(1)))
    assert list(m.state_dict()) == ["b", "c"]


def test_a_parameter_is_a_tensor_that_wants_a_gradient():
    data = minicnn.ones(2)
    with minicnn.no_grad():
        p = nn.Parameter(data)
    assert p.requires_grad and p.is_leaf and shares_memory(p.array, data.array)
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert nn.Parameter().shape == (0,)
    assert repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert type(p * 2) is minicnn.Tensor
    with pytest.raises(TypeError, match="Parameter: data must be a Tensor, not list"):
        nn.Parameter([1.0])
    with pytest.raises(DTypeError, match="only floating tensors have gradients"):
        nn.Parameter(minicnn.arange(3))


def test_changing_the_data_of_a_parameter_is_seen_by_a_pending_backward_pass():
    data = minicnn.ones(2)
    p = nn.Parameter(data)
    y = (p * p).sum()
    data.add_(1)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_parameters_keep_their_class_when_copied_and_pickled():
    p = nn.Parameter(minicnn.tensor([1.0, 2.0]), requires_grad=False)
    p.grad = minicnn.ones(2)
    for twin in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(twin) is nn.Parameter and not twin.requires_grad
        assert twin.tolist() == [1, 2] and twin.grad is None
        assert not shares_memory(twin.array, p.array)


def test_modules_are_copied_and_pickled_whole():
    m = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.2))
    m.add_module("shared", m[0])
    m.eval()
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert repr(twin) == repr(m) and not twin[1].training
        assert twin.shared is twin[0] and twin[0] is not m[0]
        for (n, p), (k, q) in zip(m.state_dict().items(), twin.state_dict().items(), strict=True):
            assert n == k and p.tolist() == q.tolist()
        twin[0].weight.array[...] = 0
        assert m[0].weight.array.any()


def test_members_cannot_have_impossible_names_or_kinds():
    m = nn.Linear(2, 2)
    cases = [
        (lambda: setattr(m, "weight", minicnn.ones(2, 2)), TypeError, "a Parameter or None"),
        (lambda: setattr(m, "weight", 3), TypeError, "cannot assign a int as parameter 'weight'"),
        (lambda: m.register_parameter("w.x", None), KeyError, r"can't contain \"\.\""),
        (lambda: m.register_parameter("", None), KeyError, "can't be empty"),
        (lambda: m.register_parameter("forward", None), KeyError, "'forward' already exists"),
        (lambda: m.register_parameter(3, None), TypeError, "name must be a string, got 3"),
        (lambda: m.register_parameter("w", minicnn.ones(2)), TypeError, "must be a Parameter"),
        (lambda: m.register_buffer("weight", minicnn.ones(2)), KeyError, "already exists"),
        (lambda: m.register_buffer("b", 3), TypeError, "must be a Tensor or None"),
        (lambda: m.add_module("bias", nn.Tanh()), KeyError, "give the module another name"),
        (lambda: m.add_module("x", 3), TypeError, "must be a Module or None"),
        (lambda: m.register_module("a.b", nn.Tanh()), KeyError, "can't contain"),
    ]
    for action, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            action()
        assert isinstance(caught.value, RegistrationError)
        assert "Linear" in str(caught.value)
    s = nn.Sequential(nn.Tanh())
    with pytest.raises(RegistrationError, match="cannot assign a int as module '0'"):
        s[0] = 3
    with pytest.raises(ValueError, match="non-leaf Tensor as parameter 'w'"):
        leaf = nn.Parameter(minicnn.ones(2))
        leaf._node = (leaf * 2)._node
        m.register_parameter("w", leaf)


@pytest.mark.parametrize("value", [nn.Parameter(), nn.Tanh(), nn.Buffer()])
def test_members_before_init_are_refused(value):
    class Hasty(nn.Module):
        def __init__(self):
            self.member = value

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Hasty()


def test_a_module_without_init_says_so_when_it_is_used():
    class Hasty(nn.Module):
        def __init__(self):
            self.x = 3

    m = Hasty()
    assert m.x == 3
    with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\) first"):
        m(3)


def test_an_unknown_attribute_is_an_attribute_error(net):
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'absent'"):
        _ = net.absent
    with pytest.raises(AttributeError, match="absent"):
        del net.absent
    assert not hasattr(net, "absent")


def test_dir_lists_members(net):
    assert {"fc", "scale", "mean", "forward", "training"} <= set(dir(net))
    assert "0" not in dir(net.blocks)


# ------------------------------------------------------------------------------- calling


def test_a_module_without_forward_says_how_to_write_it():
    class Net(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r'Module \[Net\] is missing .*"forward"'):
        Net()(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), r"Linear: missing a required argument: 'input'; it is defined as forward\(input\)"),
        ((1, 2.0), r"too many positional arguments.*called with \(int, float\)"),
    ],
)
def test_a_wrong_number_of_arguments_shows_the_signature(arguments, message):
    with pytest.raises(TypeError, match=message):
        nn.Linear(2, 2)(*arguments)


def test_an_unknown_keyword_shows_the_signature():
    class Net(nn.Module):
        def forward(self, x, z=0):
            return x

    with pytest.raises(TypeError, match=r"'y'; .* forward\(x, z=0\), .*\(x=int, y=int\)"):
        Net()(x=1, y=2)


def test_a_type_error_inside_forward_stays_as_it_is():
    class Net(nn.Module):
        def forward(self, x):
            return len(x)

    with pytest.raises(TypeError, match=r"^object of type 'int' has no len\(\)$"):
        Net()(3)


def test_errors_name_the_layer_by_its_path():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Conv2d(3, 4, 3)))

        def forward(self, x):
            return self.features(x)

    place = r"\n  in layer 'features\.1\.0': Conv2d\(3, 4, kernel_size=\(3, 3\), stride=\(1, 1\)\)$"
    with pytest.raises(ShapeError, match=place):
        Net()(minicnn.ones(1, 4, 8, 8))
    hooked = Net()
    hooked.features.register_forward_hook(lambda *_: None)
    with pytest.raises(ShapeError, match=place):
        hooked(minicnn.ones(1, 4, 8, 8))


def test_anomalies_name_the_layer():
    model = nn.Sequential(nn.Identity(), nn.LogSoftmax(1))
    with minicnn.detect_anomaly(), pytest.raises(RuntimeError, match=r"in layer '1': LogSoftmax"):
        model(minicnn.full((2, 2), float("nan")))


# ------------------------------------------------------------------------------- conversions


def test_to_converts_floating_members_and_keeps_the_parameters_themselves(net):
    before = list(net.parameters())
    net(minicnn.randn(2, 2, 5, 5)).sum().backward()
    counter = net.blocks[0].norm.num_batches_tracked
    for convert, dtype in [
        (lambda: net.to(minicnn.float64), "float64"),
        (lambda: net.half(), "float16"),
        (lambda: net.float(), "float32"),
        (lambda: net.double(), "float64"),
        (lambda: net.to("cpu", minicnn.float32), "float32"),
        (lambda: net.to(minicnn.ones(1, dtype="float64")), "float64"),
        (lambda: net.to(dtype="float32", device="cpu"), "float32"),
        (lambda: net.to("float64"), "float64"),
        (lambda: net.to(minicnn.device("cpu")), "float64"),
        (lambda: net.cpu(), "float64"),
        (lambda: net.type("float32"), "float32"),
    ]:
        assert convert() is net
        assert all(p.dtype == p.grad.dtype == dtype for p in net.parameters())
        assert net.mean.dtype == dtype
    assert all(p is q for p, q in zip(before, net.parameters(), strict=True))
    assert counter.dtype == minicnn.int64
    assert net.constant.dtype == minicnn.float32  # no member


def test_conversion_invalidates_a_pending_backward_pass():
    layer = nn.Linear(2, 2)
    y = layer(minicnn.ones(1, 2, requires_grad=True)).sum()
    layer.double()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()
    y = layer(minicnn.ones(1, 2, dtype="float64", requires_grad=True)).sum()
    layer.double()  # changes nothing
    y.backward()


def test_impossible_conversions_are_refused(net):
    with pytest.raises(TypeError, match="only floating dtypes are possible, got int64"):
        net.to(minicnn.int64)
    with pytest.raises(DeviceError, match="'gpu' is not known"):
        net.to("gpu")
    if not minicnn.cuda.is_available():
        for move in (net.cuda, lambda: net.cuda(1), lambda: net.to(0)):
            with pytest.raises(DeviceError, match="no CUDA device"):
                move()


# ------------------------------------------------------------------------------- state dicts


def test_state_dicts_are_detached_and_share_memory(net):
    state = net.state_dict()
    assert isinstance(state, OrderedDict)
    assert type(state["fc.weight"]) is minicnn.Tensor and not state["fc.weight"].requires_grad
    assert shares_memory(state["fc.weight"].array, net.fc.weight.array)
    assert net.state_dict(keep_vars=True)["fc.weight"] is net.fc.weight
    mine = {"first": 1}
    assert net.fc.state_dict(mine, "fc.") is mine
    assert list(mine) == ["first", "fc.weight", "fc.bias"]


def test_state_dicts_say_the_version_of_each_modules_entries(torch, net):
    expected = make_net(torch, torch.nn).state_dict()._metadata
    assert dict(net.state_dict()._metadata) == dict(expected)


def test_loading_copies_values_into_the_parameters(net):
    other = make_net(minicnn, nn)
    weight = net.fc.weight
    result = net.load_state_dict(other.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert net.fc.weight is weight and not shares_memory(weight.array, other.fc.weight.array)
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(net.state_dict()[name].numpy(), value.numpy())


def test_loading_converts_to_the_dtype_of_the_model():
    layer = nn.Linear(2, 1)
    layer.load_state_dict(
        {"weight": minicnn.tensor([[1, 2]]), "bias": minicnn.tensor([0.5]).double()}
    )
    assert layer.weight.dtype == minicnn.float32 and layer.weight.tolist() == [[1, 2]]


def test_assigning_takes_the_tensors_themselves():
    layer = nn.BatchNorm1d(2)
    layer.weight.requires_grad_(False)
    state = {k: minicnn.ones(v.shape, dtype="float64") for k, v in layer.state_dict().items()}
    layer.load_state_dict(state, assign=True)
    assert type(layer.weight) is nn.Parameter and not layer.weight.requires_grad
    assert layer.bias.requires_grad and layer.bias.dtype == minicnn.float64
    assert shares_memory(layer.weight.array, state["weight"].array)
    assert layer.running_mean is state["running_mean"]
    given = nn.Parameter(minicnn.ones(2))
    layer.load_state_dict({**state, "weight": given}, assign=True)
    assert layer.weight is given and not given.requires_grad


def test_strict_loading_names_all_that_does_not_fit_in_pytorchs_words(torch, net):
    theirs = make_net(torch, torch.nn)
    wrong = {"fc.weight": (3, 3), "fc.extra": (1,), "other": (1,), "mean": (2,), "hidden": (3,)}
    with pytest.raises(RuntimeError) as expected:
        theirs.load_state_dict({k: torch.zeros(s) for k, s in wrong.items()})
    with pytest.raises(StateDictError) as found:
        net.load_state_dict({k: minicnn.zeros(*s) for k, s in wrong.items()})
    wanted = re.sub(r"torch\.Size\(\[(\d), (\d)\]\)", r"(\1, \2)", str(expected.value))
    *lines, way_out = str(found.value).split("\n\t")
    assert lines == wanted.split("\n\t")
    assert way_out.startswith("Build the model with the sizes it was saved with")


def test_lenient_loading_returns_the_names_but_still_checks_shapes(torch, net):
    theirs = make_net(torch, torch.nn)
    some = {"fc.weight": (3, 2), "other": (1,), "hidden": (3,)}
    expected = theirs.load_state_dict({k: torch.ones(s) for k, s in some.items()}, strict=False)
    found = net.load_state_dict({k: minicnn.ones(*s) for k, s in some.items()}, strict=False)
    assert found.missing_keys == expected.missing_keys
    assert found.unexpected_keys == expected.unexpected_keys
    assert tuple(found) == (found.missing_keys, found.unexpected_keys)
    assert repr(found).startswith("IncompatibleKeys(missing_keys=['scale'")
    assert net.fc.weight.array.all()
    with pytest.raises(StateDictError, match=r"size mismatch for fc.weight.*\(1,\).*\(3, 2\)"):
        net.load_state_dict({"fc.weight": minicnn.ones(1)}, strict=False)


def test_loading_says_what_to_do_about_a_prefix_or_missing_names():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    state = model.state_dict(prefix="module.")
    with pytest.raises(
        StateDictError, match=r"The names begin with 'module\.'; remove it: {k\[7:\]"
    ):
        model.load_state_dict(state)
    model.load_state_dict({k[7:]: v for k, v in state.items()})
    with pytest.raises(StateDictError, match="Pass strict=False to load only the names"):
        model.load_state_dict({})


def test_loading_refuses_what_is_no_state_dict():
    layer = nn.Linear(1, 1)
    with pytest.raises(
        TypeError, match="load_state_dict: expected a dictionary of tensors, got list"
    ):
        layer.load_state_dict([])
    with pytest.raises(StateDictError, match=r"expected a minicnn Tensor but received .*ndarray"):
        layer.load_state_dict({"weight": np.ones((1, 1)), "bias": minicnn.ones(1)})


def test_a_vector_of_one_element_loads_into_a_scalar():
    m = nn.Module()
    m.register_buffer("count", minicnn.tensor(3))
    m.load_state_dict({"count": minicnn.tensor([7])})
    assert m.count.item() == 7 and m.count.shape == ()


def test_old_batch_norms_without_a_counter_can_be_loaded():
    layer = nn.BatchNorm1d(2)
    state = layer.state_dict()
    del state["num_batches_tracked"]
    with pytest.raises(StateDictError, match=r'Missing key.*"num_batches_tracked"'):
        layer.load_state_dict(state)  # it says that it is of version 2
    layer.load_state_dict(dict(state))


def test_extra_state_is_saved_and_loaded():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = 3

        def get_extra_state(self):
            return self.seen

        def set_extra_state(self, state):
            self.seen = state

    m = nn.Sequential(Net())
    assert dict(m.state_dict()) == {"0._extra_state": 3}
    m.load_state_dict({"0._extra_state": 5})
    assert m[0].seen == 5
    with pytest.raises(StateDictError, match=r'Missing key.*"0\._extra_state"'):
        m.load_state_dict({})
    for method in (nn.Module().get_extra_state, lambda: nn.Module().set_extra_state(1)):
        with pytest.raises(NotImplementedError, match="extra_state is not defined"):
            method()


def test_state_dict_hooks_run_where_pytorchs_do():
    seen = []
    m = nn.Sequential(nn.Linear(1, 1, bias=False))
    handles = [
        m[0].register_state_dict_pre_hook(lambda module, prefix, keep: seen.append((prefix, keep))),
        m[0].register_state_dict_post_hook(
            lambda module, state, prefix, _: state.update({prefix + "more": 1})
        ),
        m[0].register_load_state_dict_pre_hook(
            lambda module, state, prefix, *rest: state.pop(prefix + "more") and None
        ),
        m[0].register_load_state_dict_post_hook(lambda module, keys: seen.append(tuple(keys))),
    ]
    state = m.state_dict()
    assert list(state) == ["0.weight", "0.more"] and seen == [("0.", False)]
    with pytest.raises(StateDictError, match=r'Unexpected.*"0.more"'):
        nn.Sequential(nn.Linear(1, 1, bias=False)).load_state_dict(state)
    m[0].load_state_dict({"weight": state["0.weight"], "more": 1})
    assert seen[1:] == [([], [])] and "0.more" in state
    for handle in handles:
        handle.remove()
    assert list(m.state_dict()) == ["0.weight"]


def test_state_dict_hooks_must_return_nothing():
    m = nn.Linear(1, 1)
    m.register_load_state_dict_post_hook(lambda module, keys: keys)
    with pytest.raises(StateDictError, match="load_state_dict post-hook must return None"):
        m.load_state_dict(m.state_dict())
    m.register_state_dict_post_hook(lambda *arguments: {})
    with pytest.raises(StateDictError, match="a state_dict post-hook must return None"):
        m.state_dict()


# ------------------------------------------------------------------------------- the name space


def test_what_minicnn_lacks_is_unsupported_and_absent_to_hasattr():
    with pytest.raises(UnsupportedNameError, match=r"Lazy layers.*mean 'Linear'"):
        _ = nn.LazyLinear
    with pytest.raises(NotImplementedError, match=r"nn.Conv2D: .*Did you mean 'Conv2d'"):
        _ = nn.Conv2D
    with pytest.raises(AttributeError, match=r"nn.functional.conv3d.*mean 'conv1d'|conv2d"):
        _ = nn.functional.conv3d
    for module in (nn, nn.functional):
        assert not hasattr(module, "LSTM") and not hasattr(module, "__nothing__")
        assert all(hasattr(module, name) for name in module.__all__)


def test_names_and_order_of_arguments_are_pytorchs(torch):
    import inspect

    ignored = {"device", "dtype", "self", "min_value", "max_value", "args", "kwargs"}

    def arguments(function):
        found = inspect.signature(function).parameters.values()
        return [(p.name, p.default) for p in found if p.name not in ignored]

    others = "Dense", "Module", "Parameter", "Buffer", "fuse_modules"
    others += "functional", "init", "intrinsic", "utils"
    for ours, theirs in (
        (nn, torch.nn),
        (nn.init, torch.nn.init),
        (nn.intrinsic, torch.ao.nn.intrinsic),
    ):
        for name in set(ours.__all__) - set(others):
            a, b = getattr(ours, name), getattr(theirs, name)
            expected = arguments(b.__init__ if isinstance(b, type) else b)
            found = arguments(a.__init__ if isinstance(a, type) else a)
            assert found == expected, name
