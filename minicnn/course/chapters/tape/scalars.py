"""Exercises: the derivatives of operations on two numbers."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

NO_DY = (
    "It leaves out dy: by the chain rule, the derivative of y with respect to an input is "
    "multiplied by the gradient that arrives."
)

add = Exercise(
    solution.add_backward,
    inputs.two_numbers,
    returns="da, db",
    gradient=inputs.of_numbers(lambda a, b: a + b),
    hints=(
        "By how much does a + b grow when a grows by a little?",
        "The derivative of y with respect to a is 1, and so it is for b; multiply each by dy.",
    ),
    mistakes=(
        mistake("dy forgotten", NO_DY, ("return dy, dy", "return 1.0, 1.0")),
        mistake(
            "derivative of the product",
            "That is the derivative of a b: a sum has the derivative 1 for each of its terms.",
            ("return dy, dy", "return dy * b, dy * a"),
        ),
        mistake(
            "multiplied by the inputs",
            "It multiplies each gradient by its own input. A sum has the derivative 1 for each of "
            "its terms, whatever they are.",
            ("return dy, dy", "return dy * a, dy * b"),
        ),
        mistake(
            "derivative of the difference",
            "Its second gradient has the wrong sign: that belongs to a - b.",
            ("return dy, dy", "return dy, -dy"),
        ),
        mistake(
            "gradient shared",
            "It gives each input half of the gradient. A gradient is not divided among the inputs: "
            "each gets all of it.",
            ("return dy, dy", "return dy / 2, dy / 2"),
        ),
        mistake(
            "second input forgotten",
            "It gives b no gradient: y depends on b as it does on a.",
            ("return dy, dy", "return dy, 0.0"),
        ),
    ),
)

mul = Exercise(
    solution.mul_backward,
    inputs.two_numbers,
    returns="da, db",
    gradient=inputs.of_numbers(lambda a, b: a * b),
    hints=(
        "By how much does a b grow when a grows by 1 and b stays?",
        "The derivative with respect to a is b, and the other way round; multiply each by dy.",
    ),
    mistakes=(
        mistake(
            "inputs exchanged",
            "It multiplies each gradient by its own input. The derivative of a b with respect to a "
            "is b: the other one.",
            ("dy * b, dy * a", "dy * a, dy * b"),
        ),
        mistake("dy forgotten", NO_DY, ("dy * b, dy * a", "b, a")),
        mistake(
            "derivative of the sum",
            "That is the derivative of a + b. When a grows by 1, a b grows by b.",
            ("dy * b, dy * a", "dy, dy"),
        ),
        mistake(
            "multiplied by the result",
            "It multiplies by the result a b. The derivative with respect to a is b alone.",
            ("dy * b, dy * a", "dy * a * b, dy * a * b"),
        ),
        mistake(
            "added for multiplied",
            "It adds dy to the derivative; the chain rule multiplies.",
            ("dy * b, dy * a", "dy + b, dy + a"),
        ),
        mistake(
            "second input forgotten",
            "It gives b no gradient: y depends on b as it does on a.",
            ("dy * b, dy * a", "dy * b, 0.0"),
        ),
    ),
)

div = Exercise(
    solution.div_backward,
    inputs.two_numbers,
    returns="da, db",
    gradient=inputs.of_numbers(lambda a, b: a / b),
    hints=(
        "a / b is a times a number that does not depend on a.",
        "The derivative of 1 / b is -1 / b^2.",
    ),
    mistakes=(
        mistake(
            "sign of db",
            "db has the wrong sign: when b grows, a / b shrinks. The derivative of 1 / b is "
            "-1 / b^2.",
            ("-dy * a", "dy * a"),
        ),
        mistake(
            "b not squared",
            "db is divided by b once only: the derivative of 1 / b is -1 / b^2.",
            ("(b * b)", "b"),
        ),
        mistake(
            "a forgotten in db",
            "db leaves out a: the derivative of a / b with respect to b is -a / b^2.",
            ("-dy * a / (b * b)", "-dy / (b * b)"),
        ),
        mistake("dy forgotten", NO_DY, ("dy / b, -dy * a", "1 / b, -a")),
        mistake(
            "dy forgotten in db",
            "db leaves out dy, which da has: by the chain rule both are multiplied by it.",
            ("-dy * a", "-a"),
        ),
        mistake(
            "results exchanged",
            "It returns db first: the order is da, db.",
            ("dy / b, -dy * a / (b * b)", "-dy * a / (b * b), dy / b"),
        ),
        mistake(
            "derivative of the product",
            "That is the derivative of a b, and y is a / b.",
            ("dy / b, -dy * a / (b * b)", "dy * b, dy * a"),
        ),
    ),
)

tanh = Exercise(
    solution.tanh_backward,
    inputs.tanh_cases,
    returns="dx",
    gradient=inputs.tanh_gradient,
    hints=(
        "The derivative of tanh(x) is 1 - tanh(x)^2, and tanh(x) is y.",
        "It is largest, 1, at y = 0, and goes to 0 where y goes to 1 or -1.",
    ),
    mistakes=(
        mistake(
            "tanh taken twice",
            "It takes tanh of y: y is the result already, tanh(x).",
            ("y * y", "np.tanh(y) ** 2"),
        ),
        mistake(
            "not squared",
            "It does not square y: the derivative is 1 - y^2.",
            ("1 - y * y", "1 - y"),
        ),
        mistake(
            "derivative of the sigmoid",
            "That is the derivative of the sigmoid, y (1 - y). That of tanh is 1 - y^2.",
            ("(1 - y * y)", "y * (1 - y)"),
        ),
        mistake("dy forgotten", NO_DY, ("dy * (1 - y * y)", "1 - y * y")),
        mistake(
            "sign",
            "It adds y^2: the derivative is 1 - y^2, at most 1.",
            ("1 - y * y", "1 + y * y"),
        ),
        mistake(
            "1 forgotten",
            "It multiplies by -y^2: the 1 of 1 - y^2 is missing.",
            ("(1 - y * y)", "-(y * y)"),
        ),
    ),
)
