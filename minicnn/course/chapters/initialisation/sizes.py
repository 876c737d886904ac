"""Exercises: fans, gains, and the size of values and gradients in a deep network."""

from __future__ import annotations

from ...exercise import Exercise, Mistake, mistake
from . import inputs, solution

counted = Exercise(
    solution.fans,
    inputs.fans_cases,
    returns="fan_in, fan_out",
    size="two whole numbers",
    hints=(
        "Which axis of (F, C, KH, KW) belongs to the inputs?",
        "An output of a convolution is a sum over C channels and KH KW places.",
        "shape[2:] is empty for a dense layer, and np.prod(()) is 1.0, a float.",
    ),
    mistakes=(
        mistake(
            "fans exchanged",
            "It returns fan out first. The outputs are axis 0 of the weights, the inputs axis 1, "
            "and fan in is asked for first.",
            ("shape[1] * places, shape[0] * places", "shape[0] * places, shape[1] * places"),
        ),
        mistake(
            "kernel left out",
            "It leaves out the kernel: each output sees all KH KW places of every channel, and "
            "each input is seen from as many.",
            ("shape[1] * places, shape[0] * places", "shape[1], shape[0]"),
        ),
        mistake(
            "kernel left out of fan out",
            "It leaves the kernel out of fan out: one pixel is seen from KH KW places by every "
            "filter.",
            ("shape[0] * places", "shape[0]"),
        ),
        mistake(
            "kernel left out of fan in",
            "It leaves the kernel out of fan in: an output is a sum over C KH KW numbers.",
            ("shape[1] * places", "shape[1]"),
        ),
        mistake(
            "kernel sizes added",
            "It adds the kernel's sizes: a kernel of KH rows and KW columns has KH KW places.",
            ("int(np.prod(shape[2:]))", "sum(shape[2:]) or 1"),
        ),
        mistake(
            "one kernel size only",
            "It takes only one of the kernel's sizes: multiply all of them.",
            ("int(np.prod(shape[2:]))", "int(np.prod(shape[2:3]))"),
        ),
        mistake(
            "kernel taken for square",
            "It takes the square of the last kernel size. A kernel need not be square: multiply "
            "its sizes.",
            ("int(np.prod(shape[2:]))", "shape[-1] ** 2 if shape[2:] else 1"),
        ),
        mistake(
            "all weights counted",
            "It counts all weights: fan in has to do with one output, fan out with one input.",
            ("shape[1] * places, shape[0] * places",
             "shape[0] * shape[1] * places, shape[0] * shape[1] * places"),
        ),
        mistake(
            "no places in a dense layer",
            "It multiplies by 0 where there is no kernel: the empty product is 1.",
            ("int(np.prod(shape[2:]))", "int(np.prod(shape[2:])) if shape[2:] else 0"),
        ),
        mistake(
            "product of nothing is a float",
            "np.prod(()) is 1.0, so that the fans of a dense layer are no whole numbers: use int.",
            ("int(np.prod(shape[2:]))", "np.prod(shape[2:])"),
        ),
    ),
)  # fmt: skip

compensated = Exercise(
    solution.gain,
    inputs.gain_cases,
    returns="gain",
    size="a float",
    hints=(
        "E[y^2] is half of E[x^2] from the positive x, and slope^2 times the other half.",
        "The gain multiplies a standard deviation, so there is a root.",
    ),
    mistakes=(
        mistake(
            "root forgotten",
            "It returns the factor for the variance: the gain is its root.",
            ("np.sqrt(2 / (1 + slope**2))", "2 / (1 + slope**2)"),
        ),
        mistake(
            "slope not squared",
            "It has the slope itself in the denominator. A square is averaged: slope^2.",
            ("1 + slope**2", "1 + slope"),
        ),
        mistake(
            "slope squared with the sum",
            "It squares 1 + slope: the squares of the two halves are added, 1 + slope^2.",
            ("1 + slope**2", "(1 + slope) ** 2"),
        ),
        mistake(
            "gain of a ReLU",
            "It returns sqrt(2) for every slope, the gain of a ReLU: a slope lets part of the "
            "negative half through.",
            ("np.sqrt(2 / (1 + slope**2))", "np.sqrt(2)"),
        ),
        mistake(
            "upside down",
            "It returns what the activation does to the size: the gain makes up for it, one over "
            "that.",
            ("2 / (1 + slope**2)", "(1 + slope**2) / 2"),
        ),
        mistake(
            "half forgotten",
            "It leaves out the 2: each half of the numbers counts for one half, (1 + slope^2) / 2.",
            ("2 / (1", "1 / (1"),
        ),
        mistake(
            "slope ignored",
            "It returns 1 throughout: a ReLU takes half of the mean square away.",
            ("np.sqrt(2 / (1 + slope**2))", "1.0"),
        ),
    ),
)


def of_a_stack(fan: str, other: str, widths: str, wrong_widths: str) -> tuple[Mistake, ...]:
    """Return the mistakes that both directions share.

    Args:
        fan: the name of what is multiplied by, in the solution.
        other: what it is exchanged for, in words.
        widths, wrong_widths: as in the solution, and those of the other direction.
    """
    return (
        mistake(
            "other fan",
            f"It multiplies by {other}. Ask what one number here is a sum over.",
            (widths, wrong_widths),
        ),
        mistake(
            "standard deviation not squared",
            "It multiplies by std: the variance of the weights is std^2.",
            ("std**2", "std"),
        ),
        mistake(
            "activation forgotten",
            "It leaves out the activation, which keeps (1 + slope^2) / 2 of the mean square.",
            (" * (1 + slope**2) / 2", ""),
        ),
        mistake(
            "slope not squared",
            "It multiplies by (1 + slope) / 2: the squares are averaged, (1 + slope^2) / 2.",
            ("slope**2)", "slope)"),
        ),
        mistake(
            "half forgotten",
            "It multiplies by 1 + slope^2: each half of the numbers counts for one half, so divide "
            "by 2.",
            ("(1 + slope**2) / 2", "(1 + slope**2)"),
        ),
        mistake(
            "a ReLU whatever the slope",
            "It halves, as for a ReLU: the slope lets part of the negative half through.",
            ("(1 + slope**2) / 2", "0.5"),
        ),
        mistake(
            "one layer only",
            "It takes one layer into account: every layer multiplies.",
            (f"in {widths}", f"in {widths}[:1]"),
        ),
        mistake(
            "one layer too many",
            "It multiplies by all widths: L layers have L + 1 widths, and L fans.",
            (widths, "widths"),
        ),
        mistake(
            "root of the mean square",
            "It returns the root, a standard deviation: the mean square is asked for.",
            ("    return mean_square", "    return np.sqrt(mean_square)"),
        ),
        mistake(
            "first mean square forgotten",
            "It returns the factor of the layers: multiply it by the mean square that goes in.",
            (f"    for {fan}", f"    mean_square = 1.0\n    for {fan}"),
        ),
    )


forward = Exercise(
    solution.forward_size,
    inputs.size_cases,
    returns="mean_square",
    size="a float",
    hints=(
        "One value is a sum over the inputs of its layer. Which widths are inputs?",
        "A loop over widths[:-1], which multiplies.",
    ),
    mistakes=of_a_stack(
        "fan_in", "the number of outputs of each layer", "widths[:-1]", "widths[1:]"
    ),
)

backward = Exercise(
    solution.backward_size,
    inputs.size_cases,
    returns="mean_square",
    size="a float",
    hints=(
        "dx = dz w: one gradient is a sum over what?",
        "Half of the gradients pass whole, half are multiplied by slope. What is the mean of the "
        "squares of 1 and slope?",
    ),
    mistakes=of_a_stack(
        "fan_out", "the number of inputs of each layer", "widths[1:]", "widths[:-1]"
    ),
)
