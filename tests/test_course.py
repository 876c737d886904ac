"""The course's exercises: every solution is right, every mistake is caught and named."""

import numpy as np
import pytest
from course_oracles import ORACLES, windows

from minicnn.course.chapters import all_chapters, find_chapter, find_exercise
from minicnn.course.evidence import cases_of
from minicnn.course.exercise import Mistake, mistake
from minicnn.course.judge import FAILED, PASSED, TODO, judge, ratio_of
from minicnn.course.outcome import same
from minicnn.course.show import show
from minicnn.errors import CourseError, UnknownNameError

pytestmark = pytest.mark.host  # the functions take NumPy's arrays

EXERCISES = {f"{c.number}.{e.name}": e for c in all_chapters() for e in c.exercises}
every = pytest.mark.parametrize("name", EXERCISES)
WITH_SPEED = [name for name, exercise in EXERCISES.items() if exercise.speed]


@pytest.fixture(scope="module")
def verdicts():
    """What is said about every mistake."""
    return {
        (name, wrong.name): (wrong, judge(exercise, exercise.function_of(wrong), timed=False))
        for name, exercise in EXERCISES.items()
        for wrong in exercise.mistakes
    }


# ----------------------------------------------------------------------- solutions and mistakes


@every
@pytest.mark.parametrize("seed", [0, 1])
def test_the_solution_passes(name, seed):
    exercise = EXERCISES[name]
    finding = judge(exercise, exercise.solution, seed, timed=False)
    assert finding.status == PASSED, finding
    assert not finding.message


@pytest.mark.parametrize("name", ORACLES)
def test_the_solution_agrees_with_an_independent_definition(name):
    exercise = EXERCISES[name]
    for case in cases_of(exercise, 2):
        expected = ORACLES[name](*case.values())
        assert same(expected, exercise.solution(*case.values()), 1e-6), case


def test_most_exercises_have_an_independent_definition():
    assert set(ORACLES) <= set(EXERCISES)
    assert len(ORACLES) >= 0.9 * len(EXERCISES)


@every
def test_an_exercise_has_hints_and_five_mistakes_that_differ(name):
    exercise = EXERCISES[name]
    assert len(exercise.hints) >= 2
    names = [wrong.name for wrong in exercise.mistakes]
    assert len(names) >= 5 and len(set(names)) == len(names)
    assert all(wrong.sentence.endswith((".", ")")) for wrong in exercise.mistakes)


@every
def test_the_blank_exercise_is_to_do_and_keeps_its_docstring(name):
    exercise = EXERCISES[name]
    names = {}
    exec(exercise.blank, names)
    assert judge(exercise, names[exercise.name]).status == TODO
    assert names[exercise.name].__doc__ == exercise.solution.__doc__


@pytest.mark.parametrize("chapter", all_chapters(), ids=lambda chapter: chapter.number)
def test_a_function_needs_only_functions_before_it(chapter):
    before = set()
    for exercise in chapter.exercises:
        assert set(exercise.needs) <= before
        before.add(exercise.name)


def test_every_mistake_is_caught(verdicts):
    missed = [key for key, (_, finding) in verdicts.items() if finding.status != FAILED]
    assert not missed


@every
def test_every_mistake_is_caught_whatever_the_seed(name):
    exercise = EXERCISES[name]
    for wrong in exercise.mistakes:
        assert judge(exercise, exercise.function_of(wrong), 5, timed=False).status == FAILED, wrong


def test_nine_mistakes_of_ten_are_called_by_their_name(verdicts):
    named = [finding.mistake == wrong.name for wrong, finding in verdicts.values()]
    print(f"\n{sum(named)} of {len(named)} mistakes named: {100 * np.mean(named):.1f} %")
    wrong = [key for key, right in zip(verdicts, named, strict=True) if not right]
    assert np.mean(named) >= 0.9, wrong


def test_a_named_mistake_comes_with_its_sentence_and_the_smallest_input(verdicts):
    for wrong, finding in verdicts.values():
        if finding.mistake == wrong.name:
            assert finding.message.startswith(wrong.sentence)
            assert finding.lines[0].startswith("smallest input that fails: ")


def test_a_mistake_whose_words_are_not_in_the_solution_raises():
    exercise = EXERCISES["03.conv2d_bias_grad"]
    with pytest.raises(CourseError, match=r"'absent' must stand in the solution's source once.* 0"):
        exercise.function_of(mistake("typo", "A typo.", ("absent", "present")))


def test_a_mistake_may_be_a_new_body():
    exercise = EXERCISES["03.conv2d_bias_grad"]
    wrong = Mistake("ones", "Ones.", body="return np.ones(dy.shape[1])")
    assert exercise.function_of(wrong)(np.zeros((2, 3, 4, 4))).tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", WITH_SPEED)
def test_a_right_but_slow_function_is_told_so(name):
    exercise = EXERCISES[name]
    slow = exercise.solution.__globals__[exercise.speed.than]
    finding = judge(exercise, slow)
    assert finding.status == FAILED
    assert finding.message.startswith("It is right, but only ")
    assert exercise.speed.advice in finding.message


@pytest.mark.parametrize("name", WITH_SPEED)
def test_the_solution_is_much_faster_than_asked(name):
    exercise = EXERCISES[name]
    assert ratio_of(exercise, exercise.speed, exercise.solution, 0) >= 1.5 * exercise.speed.times


# ------------------------------------------------- mistakes of people who write in another way


def flipped_with_einsum(x, w, b, stride, padding, dilation, groups):
    views = windows(x, w.shape[2:], stride, padding, dilation)[..., ::-1, ::-1]
    xs, ws = np.split(views, groups, axis=1), np.split(w, groups)
    ys = [np.einsum("nchwij,fcij->nfhw", x, w) for x, w in zip(xs, ws, strict=True)]
    return np.concatenate(ys, axis=1) + b[:, None, None]


def weight_grad_of_one_image(dy, x, kernel_hw, stride, padding, dilation, groups):
    solution = EXERCISES["03.conv2d_weight_grad"].solution
    return solution(dy[:1], x[:1], kernel_hw, stride, padding, dilation, groups)


def ties_with_a_mask(dy, x, kernel_hw, stride, padding):
    sides = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    x = np.pad(x, sides, constant_values=-np.inf)
    dx = np.zeros_like(x, dtype=dy.dtype)
    for oh, ow in np.ndindex(dy.shape[2:]):
        place = np.s_[:, :, oh * stride :, ow * stride :]
        window = x[place][:, :, : kernel_hw[0], : kernel_hw[1]]
        mask = window == window.max((2, 3), keepdims=True)
        dx[place][:, :, : kernel_hw[0], : kernel_hw[1]] += mask * dy[:, :, oh : oh + 1, ow : ow + 1]
    end = [size - padding for size in x.shape[2:]]
    return dx[:, :, padding : end[0], padding : end[1]]


def velocity_with_learning_rate(p, g, v, lr, mu):
    step = lr * g + v * mu
    return np.subtract(p, step), step


def forward_difference_by_lists(f, x, step):
    found = []
    for i in range(x.size):
        moved = x.astype(float).ravel()
        moved[i] += step
        found.append((f(moved.reshape(x.shape)) - f(x.astype(float))) / step)
    return np.array(found).reshape(x.shape)


@pytest.mark.parametrize(
    ("name", "function", "expected"),
    [
        ("03.conv2d", flipped_with_einsum, "kernel flipped"),
        ("03.conv2d_loops", flipped_with_einsum, "kernel flipped"),
        ("03.conv2d_weight_grad", weight_grad_of_one_image, "not summed over the batch"),
        ("04.max_pool_grad", ties_with_a_mask, "all ties get the gradient"),
        ("02.numerical_gradient", forward_difference_by_lists, "forward difference"),
        ("01.matmul_backward", lambda dy, a, b: ((b @ dy.T), (dy.T @ a)), "results transposed"),
        ("03.conv2d_bias_grad", lambda dy: np.einsum("nfhw->n", dy), "wrong axis"),
        ("07.momentum", velocity_with_learning_rate, "learning rate in the velocity"),
        ("01.mul_backward", lambda dy, a, b: [a * dy, b * dy], "inputs exchanged"),
    ],
)
def test_a_mistake_is_recognised_in_other_code(name, function, expected):
    finding = judge(EXERCISES[name], function)
    assert finding.status == FAILED
    assert finding.mistake == expected


def glorot_from_random(shape, rng, gain):
    a = gain * np.sqrt(6 / sum(EXERCISES["08.fans"].solution(shape)))
    return a * (2 * rng.random(shape) - 1)


def he_from_standard_normal(shape, rng, slope, mode):
    fan = EXERCISES["08.fans"].solution(shape)[mode == "fan_out"]
    return np.sqrt(2 / fan / (1 + slope**2)) * rng.standard_normal(shape)


@pytest.mark.parametrize(
    ("name", "function"),
    [("08.glorot_uniform", glorot_from_random), ("08.he_normal", he_from_standard_normal)],
)
def test_weights_may_be_drawn_by_a_call_that_gives_the_same(name, function):
    assert judge(EXERCISES[name], function).status == PASSED


def test_a_generator_is_shown_as_what_makes_the_same_one():
    exercise = EXERCISES["08.he_normal"]
    finding = judge(exercise, lambda shape, rng, slope, mode: rng.normal(0, 9, shape))
    shown = finding.lines[0].removeprefix("smallest input that fails: ")
    arguments = eval(f"dict({shown})")
    assert finding.lines[1] == f"expected w = {show(exercise.solution(**arguments))}"


def test_one_mistake_is_seen_beside_another():
    def flipped_and_without_bias_in_float32(*arguments):
        y = flipped_with_einsum(*arguments)
        return y * 2 if arguments[0].dtype == np.float32 else y

    finding = judge(EXERCISES["03.conv2d"], flipped_and_without_bias_in_float32)
    assert finding.mistake == "kernel flipped"
    assert finding.message.startswith("Probably among other things: It flips the filter")


# --------------------------------------------------------------------- finding what was asked for


def test_chapters_are_found_by_number():
    assert find_chapter("3") is find_chapter("03")
    assert find_exercise("03.im2col")[1].name == "im2col"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("42.im2col", "there is no chapter '42'; there are 01, 02, "),
        ("03.im2cool", "there is no exercise '03.im2cool'.* Did you mean 'im2col'"),
    ],
)
def test_unknown_names_raise(name, text):
    with pytest.raises(UnknownNameError, match=text):
        find_exercise(name)
