"""Exercises: weights as Glorot, He and Saxe draw them."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

uniform = Exercise(
    solution.glorot_uniform,
    inputs.gain_draws,
    returns="w",
    size="shape",
    needs=("fans",),
    hints=(
        "a^2 / 3 = gain^2 2 / (fan_in + fan_out). Solve for a.",
        "gain multiplies a: it stands outside of the root.",
    ),
    mistakes=(
        mistake(
            "standard deviation for bound",
            "It takes the standard deviation for the bound a: the variance is a^2 / 3, so a is "
            "sqrt(3) times as large.",
            ("np.sqrt(6 /", "np.sqrt(2 /"),
        ),
        mistake(
            "3 for 6",
            "It has 3 under the root, as for one fan alone: 3 times 2 / (fan_in + fan_out) is "
            "asked for.",
            ("np.sqrt(6 /", "np.sqrt(3 /"),
        ),
        mistake(
            "fans averaged in the wrong place",
            "It divides 6 by the mean of the fans: the variance is 1 over the mean, or 2 over "
            "their sum, so it is 3 over the mean.",
            ("np.sqrt(6 / (fan_in + fan_out))", "np.sqrt(6 / ((fan_in + fan_out) / 2))"),
        ),
        mistake(
            "fan in alone",
            "It uses fan in alone: Glorot's variance is a compromise, with fan_in + fan_out.",
            ("6 / (fan_in + fan_out)", "3 / fan_in"),
        ),
        mistake(
            "fans multiplied",
            "It multiplies the fans: they are added.",
            ("6 / (fan_in + fan_out)", "6 / (fan_in * fan_out)"),
        ),
        mistake(
            "root forgotten",
            "It takes the bound without a root.",
            ("np.sqrt(6 / (fan_in + fan_out))", "(6 / (fan_in + fan_out))"),
        ),
        mistake(
            "gain forgotten",
            "It leaves out the gain.",
            ("a = gain * ", "a = "),
        ),
        mistake(
            "gain under the root",
            "It has the gain under the root. It multiplies the standard deviation, and so the "
            "bound.",
            ("gain * np.sqrt(6 / (fan_in + fan_out))", "np.sqrt(gain * 6 / (fan_in + fan_out))"),
        ),
        mistake(
            "gain squared",
            "It multiplies the bound by gain^2, which is the factor of the variance.",
            ("a = gain *", "a = gain**2 *"),
        ),
        mistake(
            "never negative",
            "It draws from 0 to a: the weights must have mean 0, from -a to a.",
            ("return rng.uniform(-a, a, shape)", "return rng.uniform(0, a, shape)"),
        ),
        mistake(
            "normal for uniform",
            "It draws from the normal distribution: the uniform one is asked for, "
            "rng.uniform(-a, a, shape).",
            ("return rng.uniform(-a, a, shape)", "return rng.normal(0, a / np.sqrt(3), shape)"),
        ),
        mistake(
            "kernel left out",
            "It counts the fans without the kernel: fan in is C KH KW.",
            ("fans(shape)", "fans(shape[:2])"),
        ),
    ),
)

he = Exercise(
    solution.he_normal,
    inputs.he_cases,
    returns="w",
    size="shape",
    needs=("fans", "gain"),
    hints=(
        "A layer keeps the mean square if fan Var(w) / gain^2 = 1.",
        "The second argument of rng.normal is the standard deviation.",
    ),
    mistakes=(
        mistake(
            "variance for standard deviation",
            "It gives rng.normal the variance: its second argument is the standard deviation.",
            ("gain(slope) / np.sqrt(fan)", "gain(slope) ** 2 / fan"),
        ),
        mistake(
            "root of the fan forgotten",
            "It divides by the fan: the standard deviation has its root.",
            ("np.sqrt(fan)", "fan"),
        ),
        mistake(
            "modes exchanged",
            'It uses fan out for mode "fan_in", and the other way round.',
            ('mode == "fan_in"', 'mode != "fan_in"'),
        ),
        mistake(
            "always fan in",
            'It uses fan in in both modes: with "fan_out" it is fan out, which keeps the '
            "gradients.",
            ('fan_in if mode == "fan_in" else fan_out', "fan_in"),
        ),
        mistake(
            "mean of the fans",
            "It uses the mean of both fans, as Glorot does: He's variance has one fan, which the "
            "mode names.",
            ('fan_in if mode == "fan_in" else fan_out', "(fan_in + fan_out) / 2"),
        ),
        mistake(
            "gain forgotten",
            "It leaves out the gain: the activation's share must be made up for.",
            ("gain(slope) / np.sqrt", "1 / np.sqrt"),
        ),
        mistake(
            "gain squared",
            "It multiplies the standard deviation by gain^2, which is the factor of the variance.",
            ("gain(slope) / np.sqrt", "gain(slope) ** 2 / np.sqrt"),
        ),
        mistake(
            "gain of a ReLU",
            "It uses the gain of a ReLU, sqrt(2), whatever the slope.",
            ("gain(slope) / np.sqrt", "gain(0) / np.sqrt"),
        ),
        mistake(
            "uniform for normal",
            "It draws uniformly: the normal distribution is asked for, rng.normal(0, std, shape).",
            (
                "return rng.normal(0, std, shape)",
                "return rng.uniform(-1, 1, shape) * std * np.sqrt(3)",
            ),
        ),
        mistake(
            "standard deviation not passed",
            "It draws with standard deviation 1.",
            ("return rng.normal(0, std, shape)", "return rng.normal(0, 1, shape)"),
        ),
        mistake(
            "standard deviation as the mean",
            "It gives rng.normal the standard deviation as its first argument, which is the mean: "
            "rng.normal(0, std, shape).",
            ("return rng.normal(0, std, shape)", "return rng.normal(std, size=shape)"),
        ),
        mistake(
            "kernel left out",
            "It counts the fans without the kernel: fan in is C KH KW.",
            ("fans(shape)", "fans(shape[:2])"),
        ),
    ),
)

orthonormal = Exercise(
    solution.orthogonal,
    inputs.gain_draws,
    returns="w",
    size="shape",
    hints=(
        "np.linalg.qr gives q (n, k) only if a has at least as many rows as columns: hence the "
        "transposition at the end.",
        "q * signs multiplies column j by signs[j]. np.diag(r) is the diagonal.",
    ),
    mistakes=(
        mistake(
            "signs not corrected",
            "It uses q as it comes, with signs that depend on how the factors are computed. "
            "Multiply each column by the sign of r's diagonal.",
            ("q * np.sign(np.diag(r))", "q"),
        ),
        mistake(
            "multiplied by the diagonal",
            "It multiplies the columns by the diagonal of r itself, so that their length is not 1: "
            "only its sign is wanted.",
            ("np.sign(np.diag(r))", "np.diag(r)"),
        ),
        mistake(
            "gain forgotten",
            "It leaves out the gain.",
            ("gain * q", "1 * q"),
        ),
        mistake(
            "gain under a root",
            "It multiplies by the root of the gain: the gain multiplies the weights.",
            ("gain * q", "np.sqrt(gain) * q"),
        ),
        mistake(
            "reshaped for transposed",
            "It reshapes where it should transpose. Reshaping moves no numbers, so the rows of a "
            "wide matrix are not orthonormal.",
            ("q = q.T", "q = q.reshape(rows, columns)"),
        ),
        mistake(
            "columns of length 1 only",
            "It divides the columns by their lengths. They are then not orthogonal to each other: "
            "use np.linalg.qr.",
            ("q, r = np.linalg.qr(rng", "a = (rng"),
            ("q = q * np.sign(np.diag(r))", "q = a / np.linalg.norm(a, axis=0)"),
        ),
        mistake(
            "uniform for normal",
            "It draws uniformly, which prefers some directions: rng.standard_normal is asked for.",
            ("qr(rng.standard_normal(", "qr(rng.random("),
        ),
        mistake(
            "filters' channels first",
            "It takes C as the rows of the matrix and F KH KW as its columns. Filters are a matrix "
            "of F rows.",
            ("shape[0], int(np.prod(shape[1:]))", "shape[1], shape[0] * int(np.prod(shape[2:]))"),
        ),
    ),
)  # fmt: skip
