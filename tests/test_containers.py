"""Sequential, ModuleList, ModuleDict, ParameterList and ParameterDict, beside PyTorch's."""

from __future__ import annotations

import copy
from collections import OrderedDict

import pytest

import minicnn
from minicnn import nn
from minicnn.errors import ArgumentError, DimensionError, RegistrationError


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def named(nn):
    layers = [("conv", nn.Conv2d(1, 2, 3)), ("relu", nn.ReLU()), ("norm", nn.BatchNorm2d(2))]
    return nn.Sequential(OrderedDict(layers))


def repeated(nn):
    return nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1), nn.ReLU(), nn.Sequential(nn.Tanh())])


def edited(nn):
    """A Sequential after all that can be done to one."""
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3))
    model.append(nn.Tanh()).insert(1, nn.Sigmoid())
    model.insert(-1, nn.ELU())
    model.extend([nn.ReLU(), nn.GELU()])
    model.extend(nn.Sequential(nn.SiLU()))
    model[0] = nn.Linear(5, 2)
    model[-1] = nn.Identity()
    del model[2]
    model += nn.Sequential(nn.Softmax(1))
    model.pop(1)
    del model[-2:]
    model.insert(len(model), nn.PReLU())
    return model + 2 * nn.Sequential(nn.Dropout()) + model[1:3]


@pytest.mark.parametrize(
    "make",
    [
        lambda nn: nn.Sequential(),
        lambda nn: nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh(), nn.Sequential())),
        named,
        lambda nn: named(nn)[1:],
        edited,
        lambda nn: nn.Sequential(nn.ReLU()) * 3,
        lambda nn: nn.ModuleList(),
        repeated,
        lambda nn: repeated(nn)[1:],
        lambda nn: repeated(nn) + nn.ModuleList([nn.Tanh()]),
        lambda nn: nn.ModuleList([nn.Sequential(nn.ReLU(), nn.Tanh())] * 3),
        lambda nn: nn.ModuleDict(),
        lambda nn: nn.ModuleDict({"b": nn.Linear(1, 1), "a": nn.ReLU()}),
        lambda nn: nn.ModuleDict([["b", nn.Linear(1, 1)], ("a", nn.ReLU())]),
    ],
)
def test_repr_and_names_are_pytorchs(torch, make):
    ours, theirs = make(nn), make(torch.nn)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_sequential_calls_its_modules_in_order():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x = minicnn.randn(4, 2)
    expected = model[2](model[1](model[0](x)))
    assert model(x).tolist() == expected.tolist()
    assert nn.Sequential()(x) is x


def test_sequential_is_indexed_sliced_and_iterated_like_a_list():
    model = named(nn)
    assert len(model) == 3 and list(model) == [model.conv, model.relu, model.norm]
    assert model[0] is model.conv and model[-1] is model.norm
    part = model[:2]
    assert isinstance(part, nn.Sequential) and part.conv is model.conv and len(part) == 2
    for index in (3, -4):
        with pytest.raises(
            DimensionError, match=f"index {index} is out of range; it has 3 modules"
        ):
            model[index]
    with pytest.raises(TypeError):
        model["conv"]


def test_imul_repeats_the_same_modules():
    model = nn.Sequential(nn.ReLU())
    first = model[0]
    model *= 3
    assert len(model) == 3 and all(m is first for m in model)
    assert [n for n, _ in model.named_parameters()] == []


def test_slices_of_subclasses_are_of_their_class():
    class Stack(nn.ModuleList):
        pass

    assert type(Stack([nn.ReLU(), nn.Tanh()])[:1]) is Stack


def test_sequential_refuses_what_is_no_module():
    with pytest.raises(RegistrationError, match="cannot assign a function as module '1'"):
        nn.Sequential(nn.ReLU(), lambda x: x)
    model = nn.Sequential(nn.ReLU())
    with pytest.raises(TypeError, match="insert: expected a Module, got int"):
        model.insert(0, 3)
    with pytest.raises(DimensionError, match="index 5 is out of range; it has 1 modules"):
        model.insert(5, nn.ReLU())
    with pytest.raises(ValueError, match="only a Sequential can be added, not ReLU; use append"):
        model + nn.ReLU()
    with pytest.raises(ArgumentError, match="only a Sequential can be added, not list"):
        model += [nn.ReLU()]
    with pytest.raises(TypeError, match=r"a whole number of times, not 1.5"):
        model * 1.5
    with pytest.raises(ArgumentError, match="at least once, not 0 times"):
        model *= 0
    with pytest.raises(TypeError, match="extend: expected an iterable of modules, got ReLU"):
        model.extend(nn.ReLU())


def test_a_module_list_registers_but_is_not_called():
    modules = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    assert len(list(modules.parameters())) == 6
    modules.insert(1, nn.ReLU())
    modules[0] = nn.Tanh()
    assert [type(m).__name__ for m in modules] == ["Tanh", "ReLU", "Linear", "Linear"]
    popped = modules.pop(-1)
    assert isinstance(popped, nn.Linear) and len(modules) == 3
    modules += [nn.ELU()]
    assert isinstance(modules[3], nn.ELU)
    del modules[1:3]
    assert [n for n, _ in modules.named_children()] == ["0", "1"]
    with pytest.raises(NotImplementedError, match=r"Module \[ModuleList\] is missing"):
        modules(1)


def test_a_module_dict_is_a_dictionary():
    modules = nn.ModuleDict({"a": nn.ReLU()})
    modules["b"] = nn.Linear(1, 1)
    modules.update(nn.ModuleDict({"a": nn.Tanh()}))
    assert list(modules) == list(modules.keys()) == ["a", "b"] and "b" in modules
    assert isinstance(modules["a"], nn.Tanh) and len(modules) == 2
    assert [type(m).__name__ for m in modules.values()] == ["Tanh", "Linear"]
    assert dict(modules.items())["b"] is modules["b"]
    assert modules.pop("b") is not None and list(modules) == ["a"]
    del modules["a"]
    modules.update([("c", nn.ReLU())])
    modules.clear()
    assert len(modules) == 0
    with pytest.raises(KeyError):
        modules["absent"]
    with pytest.raises(TypeError, match=r"ModuleDict.update: expected a mapping or pairs, got int"):
        modules.update(3)
    with pytest.raises(TypeError, match="element 0 must be a pair, got ReLU"):
        modules.update([nn.ReLU()])
    with pytest.raises(ValueError, match="element 0 must be a pair"):
        modules.update([("a", nn.ReLU(), 1)])
    with pytest.raises(RegistrationError, match="'forward' already exists"):
        modules["forward"] = nn.ReLU()


@pytest.mark.host
def test_a_parameter_list_makes_parameters_of_tensors(torch):
    def make(library, nn):
        tensors = [library.zeros(2), nn.Parameter(library.ones(3, 1)), 5]
        return nn.ParameterList(tensors).append(library.ones(())).extend([library.ones(1)])

    ours, theirs = make(minicnn, nn), make(torch, torch.nn)
    assert repr(ours) == repr(theirs).replace("torch.float32", "float32")
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["0", "1", "3", "4"]
    assert type(ours[0]) is nn.Parameter and ours[-3] == 5
    assert len(ours) == 5 and [p is q for p, q in zip(ours, ours[:], strict=True)] == [True] * 5
    ours[0] = minicnn.ones(7)
    assert ours[0].shape == (7,) and ours[0].requires_grad
    ours += [minicnn.ones(2)]
    assert len(ours[1:6:2]) == 3 and len(copy.deepcopy(ours)) == 6
    with pytest.raises(DimensionError, match="ParameterList: index 6 is out of range"):
        ours[6]
    with pytest.raises(TypeError, match=r"ParameterList.extend: .* got Tensor"):
        ours.extend(minicnn.ones(2))


@pytest.mark.host
def test_a_parameter_dict_makes_parameters_of_tensors(torch):
    def make(library, nn):
        found = nn.ParameterDict({"b": library.zeros(2), "a": nn.Parameter(library.ones(3))})
        found.update(OrderedDict([("z", library.ones(1)), ("c", "text")]))
        found.update([("y", library.ones(1))])
        return found

    ours, theirs = make(minicnn, nn), make(torch, torch.nn)
    assert list(ours) == list(theirs) == ["a", "b", "z", "c", "y"]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert "(a): Parameter containing: [float32 of size 3]" in repr(ours)
    assert "(c): Object of type: str" in repr(ours)
    assert list(nn.ParameterDict(ours).keys()) == list(ours)
    assert ours["b"] is ours.b and "b" in ours and len(ours) == 5
    assert ours.get("absent") is None and ours.get("c") == "text"
    assert [k for k, _ in ours.items()] == list(ours) and len(ours.values()) == 5
    assert ours.pop("c") == "text" and "c" not in ours
    del ours["a"]
    ours.clear()
    assert len(ours) == 0 and list(ours.parameters()) == []
    with pytest.raises(KeyError, match="absent"):
        ours["absent"]
    with pytest.raises(TypeError, match="a key must be a string, got 3"):
        ours[3] = minicnn.ones(1)
