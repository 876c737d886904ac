"""What a student wrote, under minicnn itself: networks train on it, and compute the same."""

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import nn, optim
from minicnn.course.chapters import find_chapter
from minicnn.errors import CourseError


def written(folder, *numbers, wrong=None):
    """Write chapters with their solutions, except for one function."""
    for number in numbers:
        chapter = find_chapter(number)
        answers = {e.name: e.source for e in chapter.exercises}
        if wrong is not None:
            answers[wrong] = chapter.find(wrong).source_of(chapter.find(wrong).mistakes[0])
        (folder / chapter.file).write_text(chapter.write(answers))
    return minicnn.course.student(folder)


def train():
    """Train a small network with everything in it that can be replaced; return its weights."""
    minicnn.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=2, bias=False), nn.Tanh(),
        nn.AvgPool2d((2, 1), stride=1), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x, target = minicnn.randn(6, 1, 8, 8), minicnn.tensor([0, 1, 2, 0, 1, 2])
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(model(x) @ minicnn.eye(3), target).backward()
        optimizer.step()
    return [p.detach().numpy() for p in model.parameters()]


@pytest.mark.parametrize(
    ("number", "called"),
    [("01", {"relu": (0, 3), "tanh": (0, 3), "matmul": (0, 3)}),
     ("03", {"conv2d": (6, 6)}),
     ("04", {"max_pool2d": (3, 3), "avg_pool2d": (3, 3)})],
)  # fmt: skip
def test_a_network_trains_on_the_students_functions(number, called, tmp_path):
    expected = train()
    with written(tmp_path, number).use(number) as used:
        found = train()
    assert {name: (c.forward, c.backward) for name, c in used.calls.items()} == called
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    before = repr(used.calls)
    train()
    assert repr(used.calls) == before  # minicnn's own are back


def test_a_network_trains_with_the_students_optimizers(tmp_path):
    makers = {
        "sgd": lambda params: optim.SGD(params, lr=0.1),
        "momentum": lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
        "adagrad": lambda params: optim.Adagrad(params, lr=0.1),
        "rmsprop": lambda params: optim.RMSprop(params, lr=0.01),
        "adam": lambda params: optim.AdamW(params, lr=0.01, weight_decay=0.1),
    }

    def losses(make):
        minicnn.manual_seed(0)
        model = nn.Linear(4, 3)
        optimizer = make(model.parameters())
        x, target = minicnn.randn(6, 4), minicnn.tensor([0, 1, 2, 0, 1, 2])
        found = []
        for _ in range(5):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), target)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    expected = {name: losses(make) for name, make in makers.items()}
    with written(tmp_path, "07").use("07") as used:
        found = {name: losses(make) for name, make in makers.items()}
    assert {name: calls.step for name, calls in used.calls.items()} == dict.fromkeys(makers, 10)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, err_msg=name)
        assert values[-1] < values[0]


def test_what_is_not_right_is_not_used(tmp_path):
    student = written(tmp_path, "03", wrong="conv2d_weight_grad")
    with pytest.raises(
        CourseError, match=r"03\.conv2d_weight_grad in .* is failed, so .* It takes"
    ):
        student.use("03")
    student = written(tmp_path, "03", wrong="im2col")
    with pytest.raises(CourseError, match=r"03\.im2col in .* is failed"):  # others call it
        student.use("03")
    (tmp_path / find_chapter("03").file).write_text(find_chapter("03").write())
    with pytest.raises(CourseError, match=r"03\.output_size in .* is to do, so .*: write it first"):
        student.use("03")


def test_a_mistake_in_a_function_that_is_not_needed_does_not_matter(tmp_path):
    with written(tmp_path, "03", wrong="conv2d_loops").use("3") as used:
        assert list(used.replaced) == ["conv2d"]


def test_chapters_that_nothing_is_used_of(tmp_path):
    with pytest.raises(
        CourseError, match=r"minicnn uses nothing of chapter 02 \(gradient checking"
    ):
        written(tmp_path, "02").use("02")
    with pytest.raises(CourseError, match="there are no exercises in"):
        minicnn.course.student(tmp_path / "elsewhere")


def test_what_the_exercises_do_not_cover_raises(tmp_path):
    student = written(tmp_path, "03", "04")
    x, w = minicnn.randn(1, 1, 6, 6), minicnn.randn(1, 1, 3, 3)
    with student.use("03"):
        with pytest.raises(
            CourseError, match=r"takes one stride for rows and columns, got \(1, 2\)"
        ):
            F.conv2d(x, w, stride=(1, 2))
    with student.use("04"):
        with pytest.raises(CourseError, match=r"max_pool2d: .* got stride=\(1, 2\), padding=0"):
            F.max_pool2d(x, 2, stride=(1, 2))
