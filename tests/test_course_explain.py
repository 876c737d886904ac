"""What is said about wrong functions that are no known mistake: patterns, forms, conduct."""

import numpy as np
import pytest

import minicnn
from minicnn.course import draws
from minicnn.course.exercise import Exercise
from minicnn.course.judge import FAILED, PASSED, judge
from minicnn.course.show import show
from minicnn.course.worker import judge_named


def smooth(x):
    """Return x y, an image."""
    return x * (1 + np.arange(x.shape[-1]).astype(x.dtype)) + 1


def pair(x):
    """Return two results."""
    return x + 1, x * 2


def count(x):
    """Return a whole number."""
    return x.size // 2


def images(rng):
    yield {"x": draws.whole(rng, 1, 1, 2, 3)}
    yield {"x": draws.whole(rng, 1, 1, 4, 4)}
    yield {"x": draws.whole(rng, 2, 1, 3, 4)}
    yield {"x": draws.whole(rng, 3, 2, 5, 4)}


def square_images(rng):
    yield from ({"x": draws.whole(rng, n, 2, 3, 3)} for n in (2, 3))


def with_float32(rng):
    yield from images(rng)
    yield {"x": draws.whole(rng, 2, 1, 3, 4).astype(np.float32)}


def with_stride(rng):
    for stride in (1, 1, 2, 3):
        yield {"x": draws.whole(rng, 6), "stride": stride}


def strided(x, stride):
    """Return every so many elements."""
    return x[::stride].copy()


def exercise(solution=smooth, cases=images, **options):
    return Exercise(solution, cases, ("a", "b"), (), **options)


def message(function, **options):
    finding = judge(exercise(**options), function)
    assert finding.status == FAILED and finding.mistake == ""
    return finding.message


state = []


def kept_between_calls(x):
    state.append(0)
    return smooth(x) + (len(state) > 6)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: -smooth(x), "y has the wrong sign: it is -1 times what it should be."),
        (lambda x: 3 * smooth(x), "y is 3 times what it should be, everywhere."),
        (lambda x: smooth(x) * x.shape[2], "y is too large by the factor the size of axis 2 of x"),
        (lambda x: smooth(x) / x.size, "y is too small by the factor the size of x (6 here): a me"),
        (lambda x: smooth(x) + 5, "y is too large by 5 everywhere."),
        (lambda x: smooth(x) + x.size, "y differs from what it should be by one number everywhere"),
        (lambda x: 0 * x, "y is zero everywhere: is anything ever written into it?"),
        (lambda x: smooth(x)[..., ::-1].copy(), "y runs backwards along axis 3."),
        (lambda x: smooth(x)[:, :, ::-1, ::-1].copy(), "y runs backwards along axis 2 and 3."),
        (lambda x: np.roll(smooth(x), 1, 3), "y is shifted by one towards the end along axis 3: "),
        (lambda x: np.roll(smooth(x), -1, 2), "y is shifted by one towards the start along axis 2"),
        (lambda x: smooth(x) * np.nan, "y contains NaN: where does it divide by zero"),
        (lambda x: smooth(x) + np.inf, "y contains infinity: where does it divide by zero"),
        (lambda x: smooth(x).astype(np.float32), "y is float32 where float64 belongs; its values"),
        (lambda x: smooth(x).transpose(0, 2, 3, 1), "y has shape (1, 2, 3, 1) instead of (1, 1, 2"),
        (lambda x: smooth(x).ravel(), "y has shape (6,) instead of (1, 1, 2, 3), with as many"),
        (lambda x: smooth(x)[..., 1:], "y has shape (1, 1, 2, 2) instead of (1, 1, 2, 3). The fo"),
        (lambda x: smooth(x).tolist(), "y is a list; it should be a NumPy array."),
        (lambda x: smooth(x).astype(str), "y holds <U"),
        (lambda x: smooth(x).astype(object), "y holds object"),
        (lambda x: smooth(x) * (1 + 0j), "y is complex128 where float64 belongs"),
        (lambda x: iter(x), "y is a "),
        (lambda x: {1, 2}, "y is a set; it should be a NumPy array."),
        (lambda x: [[1], [1, 2]], "y is a list"),
        (lambda x: None, "It returns None: a function hands its result back with 'return y'."),
        (lambda x: x.__iadd__(1) * 0 + smooth(x - 1), "It changes its argument x in place, which"),
        (lambda x, y: x, "It cannot be called as smooth(x): "),
        (lambda x: x[9], "It raises IndexError in line "),
        (lambda x: smooth(x) + (len(x) > 1) * x**3,
         "It goes wrong in just the cases with axis 0 of x larger than 1 (several samples)."),
        (lambda x: smooth(x) + (x.shape[2] != x.shape[3]) * x,
         "It goes wrong in just the cases with a x that is not square."),
        (kept_between_calls, "Called again with the same arguments it gives another result: "),
    ],
)  # fmt: skip
def test_patterns_are_recognised(function, text):
    state.clear()
    assert message(function, size="as x").startswith(text)


def test_axes_in_another_order_come_with_the_transpose_that_mends_them():
    found = message(lambda x: smooth(x).transpose(0, 2, 3, 1))
    assert found.endswith("Its axes are in another order: y.transpose(0, 3, 1, 2) would be right.")


def test_a_transposed_result_is_recognised_where_images_are_square():
    found = message(lambda x: np.swapaxes(smooth(x), 2, 3).copy(), cases=square_images)
    assert found == "y is transposed: its last two axes are exchanged."


def test_only_the_first_sample():
    def first(x):
        y = np.ones_like(x)
        y[0] = smooth(x)[0]
        return y

    found = message(first, cases=square_images)
    assert found.startswith("Only the first sample of y is right")


def test_only_the_border():
    def without_border(x):
        y = smooth(x) + x**2
        y[:, :, 1:-1, 1:-1] = smooth(x)[:, :, 1:-1, 1:-1]
        return y

    found = message(without_border, cases=square_images)
    assert found.startswith("Only the border of y is wrong: look at the padding")


def test_a_view_of_an_argument_is_refused_unless_it_may_be_one():
    def solution(x):
        """Return x."""
        return x.copy()

    found = message(lambda x: x[:], solution=solution)
    assert found.startswith("Its result shares memory with its argument x")
    assert judge(exercise(solution, may_share=True), lambda x: x[:]).status == PASSED


def test_a_wrong_dtype_of_float32_only():
    found = message(lambda x: smooth(x).astype(np.float64), cases=with_float32)
    assert found.startswith("y is float64 where float32 belongs; its values are right.")


def test_options_that_are_ignored_are_named():
    found = message(lambda x, stride: x * (1 if stride == 1 else 2) + (stride > 1) * x[::-1],
                    solution=strided, cases=with_stride, size="1 + (n - 1) // stride")  # fmt: skip
    assert found == "y has shape (6,) instead of (3,). The formula: 1 + (n - 1) // stride."
    found = message(lambda x, stride: strided(x, stride) + (stride > 1) * strided(x, stride) ** 3,
                    solution=strided, cases=with_stride)  # fmt: skip
    assert found == "It goes wrong in just the cases with stride other than 1."


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: x + 1, "It returns 1 thing instead of 2: end with 'return dx, dw'."),
        (lambda x: (x + 1, x * 2, x), "It returns 3 things instead of 2"),
        (lambda x: (x + 1, x * -2), "dx is right. dw has the wrong sign"),
        (lambda x: (2 * x + 2, x * 2), "dw is right. dx is 2 times what it should be"),
    ],
)
def test_of_several_results_the_wrong_one_is_named(function, text):
    assert message(function, solution=pair, returns="dx, dw").startswith(text)


def test_a_float_for_a_whole_number():
    assert message(lambda x: x.size / 2, solution=count) == (
        "y is a float (3.0) where a whole number belongs: divide with //, not /."
    )


def test_what_follows_no_pattern_is_said_to_follow_none():
    found = message(lambda x: np.cos(x) * 3)
    assert found.startswith("It gives other results than the definition, and they follow no known")


def test_the_smallest_input_is_shown_whole_and_a_large_one_by_its_first_wrong_element():
    finding = judge(exercise(cases=square_images), lambda x: np.cos(x))
    assert finding.lines[0] == ("smallest input that fails: x=array of shape (2, 2, 3, 3)")
    assert finding.lines[1].startswith("expected y[0, 0, 0, 0] = ")
    assert finding.lines[1].endswith("; 36 of 36 elements are wrong")
    finding = judge(exercise(), lambda x: np.cos(x))
    assert finding.lines[0].startswith("smallest input that fails: x=[[[[")
    assert [line[:12] for line in finding.lines[1:]] == ["expected y =", "got      y ="]


def test_values_are_shown_short():
    assert show(np.float32([1, 2.5])) == "[1, 2.5] float32"
    assert show({"a": (1, 2.0)}) == "{'a': (1, 2)}"
    assert show((np.arange(2),)) == "([0, 1] int64,)"
    assert show(draws.Formula("x ** 2")) == "lambda x: x ** 2"
    assert show("x" * 100) == "'" + "x" * 56 + "..."
    assert show(minicnn.tensor([[1.0], [2.0]])) == "tensor([[1.], [2.]])"  # in one line


def test_an_exception_of_one_kind_of_case_says_of_which():
    def strict(x):
        if len(x) > 1:
            raise ValueError("one image only")
        return smooth(x)

    found = message(strict)
    assert "It raises ValueError in line " in found
    assert found.endswith("cases with axis 0 of x larger than 1 (several samples).")


def test_a_result_that_breaks_the_comparison_is_a_failure_of_the_function():
    class Strange:
        def __repr__(self):
            raise ValueError("no text")

    finding = judge_named(exercise(), {"smooth": lambda x: Strange()}, 0)
    assert finding.status == FAILED
    assert finding.message == (
        "Its result cannot be compared with the right one: ValueError: no text."
    )
