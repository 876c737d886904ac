"""Exercises: shapes, parameters and multiply-adds, of a layer and of a network."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

convolution = Exercise(
    solution.conv,
    inputs.convolutions,
    returns="out, parameters, work",
    size="(F, (H + 2 P - K) // S + 1, (W + 2 P - K) // S + 1)",
    hints=(
        "A filter sees K K pixels of every input channel.",
        "Parameters do not depend on the size of the image. Multiply-adds do: each number of the "
        "result needs as many as a filter has weights.",
    ),
    mistakes=(
        mistake(
            "input channels forgotten",
            "It counts K K weights for a filter. A filter has so many for each input channel: "
            "C K K.",
            ("weights = channels * size**2", "weights = size**2"),
        ),
        mistake(
            "input channels forgotten in the work",
            "Its multiply-adds leave out the input channels: each number of the result needs "
            "C K K.",
            ("oh * ow * weights", "oh * ow * size**2"),
        ),
        mistake(
            "biases forgotten",
            "It counts no biases: each filter has one.",
            ("filters * (weights + 1)", "filters * weights"),
        ),
        mistake(
            "one bias for all",
            "It counts one bias for the layer: each filter has one of its own.",
            ("filters * (weights + 1)", "filters * weights + 1"),
        ),
        mistake(
            "a bias for each input channel",
            "It counts a bias for each pair of a filter and an input channel: each filter has one.",
            ("filters * (weights + 1)", "filters * (weights + channels)"),
        ),
        mistake(
            "parameters for each place",
            "It counts the weights anew at each place of the result: a convolution uses the same "
            "ones everywhere.",
            ("filters * (weights + 1)", "filters * (weights + 1) * oh * ow"),
        ),
        mistake(
            "places forgotten",
            "Its multiply-adds are those of one place: there are OH OW.",
            ("filters * oh * ow * weights", "filters * weights"),
        ),
        mistake(
            "work for each input pixel",
            "Its multiply-adds count the pixels of the input. Count those of the result: OH OW.",
            ("filters * oh * ow * weights", "filters * height * width * weights"),
        ),
        mistake(
            "biases in the work",
            "It counts adding the bias as work: only products of an input with a weight count.",
            ("oh * ow * weights", "oh * ow * (weights + 1)"),
        ),
        mistake(
            "filters forgotten in the work",
            "Its multiply-adds are those of one filter: there are F.",
            ("filters * oh * ow * weights", "oh * ow * weights"),
        ),
        mistake(
            "size not squared",
            "It takes K for the pixels of a kernel: there are K K.",
            ("size**2", "size"),
        ),
        mistake(
            "padding on one side",
            "It adds the padding once: there are P zeros on both sides.",
            ("height + 2 * padding", "height + padding"),
            ("width + 2 * padding", "width + padding"),
        ),
        mistake(
            "one place too few",
            "Its result is one row and one column too small: the first place counts too, so add 1 "
            "after the division.",
            ("oh = (height + 2 * padding - size) // stride + 1",
             "oh = (height + 2 * padding - size) // stride"),
            ("ow = (width + 2 * padding - size) // stride + 1",
             "ow = (width + 2 * padding - size) // stride"),
        ),
        mistake(
            "stride forgotten",
            "It counts places with stride 1.",
            ("oh = (height + 2 * padding - size) // stride",
             "oh = (height + 2 * padding - size)"),
            ("ow = (width + 2 * padding - size) // stride",
             "ow = (width + 2 * padding - size)"),
        ),
        mistake(
            "channels of the input kept",
            "Its result has the channels of the input: it has one for each filter.",
            ("return (filters, oh, ow)", "return (channels, oh, ow)"),
        ),
    ),
)  # fmt: skip

whole_network = Exercise(
    solution.network,
    inputs.networks,
    returns="shapes, parameters, work",
    needs=("conv",),
    hints=(
        "for kind, *sizes in layers: takes a tuple apart.",
        "The shape after a layer is the shape before the next.",
        "A dense layer has a weight for each pair of an input and an output.",
    ),
    mistakes=(
        mistake(
            "biases of dense layers forgotten",
            "It counts no biases in dense layers: each output has one.",
            ("outputs * (inputs + 1)", "outputs * inputs"),
        ),
        mistake(
            "a bias for each input",
            "It counts a bias for each input of a dense layer: each output has one.",
            ("outputs * (inputs + 1)", "(outputs + 1) * inputs"),
        ),
        mistake(
            "biases in the work",
            "It counts adding the biases of dense layers as work: only products count.",
            ("outputs * inputs\n", "outputs * (inputs + 1)\n"),
        ),
        mistake(
            "work of dense layers forgotten",
            "It counts no work for dense layers: each weight is multiplied once.",
            ("outputs * inputs\n", "0\n"),
        ),
        mistake(
            "channels lost in flatten",
            "After flatten it has the pixels of one channel: the list has C H W features.",
            ("np.prod(shape)", "np.prod(shape[1:])"),
        ),
        mistake(
            "flatten keeps channels",
            "After flatten it has a feature for each channel: the list has C H W features.",
            ("np.prod(shape)", "shape[0]"),
        ),
        mistake(
            "work of pooling left out",
            "It leaves out the work of pooling layers, which pool counts.",
            ("shape, own, own_work = pool(", "shape, own, _ = pool("),
        ),
        mistake(
            "pooling passed over",
            "It lets pooling layers leave the shape as it is, and without work: use pool.",
            ("shape, own, own_work = pool(shape, *sizes)", "pass"),
        ),
        mistake(
            "counts of the last layer",
            "It returns parameters and work of the last layer: add up those of all.",
            ("parameters += own", "parameters = own"),
            ("work += own_work", "work = own_work"),
        ),
        mistake(
            "input among the shapes",
            "Its list of shapes begins with that of the input: it has the shape after each layer.",
            ("shapes, parameters, work = [], 0, 0", "shapes, parameters, work = [shape], 0, 0"),
        ),
        mistake(
            "shapes before the layers",
            "Its list has the shape before each layer: it is the one after it.",
            ("        own, own_work = 0, 0\n",
             "        own, own_work = 0, 0\n        shapes.append(shape)\n"),
            ("        shapes.append(shape)\n        parameters", "        parameters"),
        ),
        mistake(
            "shape of ReLU left out",
            "Its list leaves out layers that do not change the shape: it has one for each layer.",
            ("        shapes.append(shape)\n", "        if kind != 'relu':\n"
             "            shapes.append(shape)\n"),
        ),
        mistake(
            "only the last shape",
            "It returns the shape of the result: all shapes are asked for, in a list.",
            ("return shapes,", "return shape,"),
        ),
    ),
)  # fmt: skip
