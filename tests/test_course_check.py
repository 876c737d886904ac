"""`minicnn course` as a student and an instructor use it, and what bad code cannot do to it."""

import ast
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn.cli import main
from minicnn.course.chapters import all_chapters, find_chapter
from minicnn.course.check import check
from minicnn.course.judge import FAILED, PASSED, TODO
from minicnn.course.report import describe

CHAPTERS = all_chapters()
PATIENT = ("--limit", 60)  # a busy machine is no failure
TOTAL = sum(len(chapter.exercises) for chapter in CHAPTERS)


def call(capsys, *arguments):
    """Run ``minicnn course ...`` here; return its exit code, output and errors."""
    capsys.readouterr()
    try:
        code = main(["course", *map(str, arguments)])
    except SystemExit as end:
        code = end.code
    return code, *capsys.readouterr()


def fill_in(folder, chapter, **bodies):
    """Write a chapter's file with some bodies of functions; return what is found in it."""
    answers = {}
    for exercise in chapter.exercises:
        body = bodies.get(exercise.name)
        if body is not None:
            head = exercise.blank.removesuffix("    raise NotImplementedError\n")
            answers[exercise.name] = head + "".join(f"    {line}\n" for line in body.split("\n"))
    (folder / chapter.file).write_text(chapter.write(answers))
    return check(chapter, folder, limit=4.0)


def said(result):
    """Return name -> finding."""
    return {finding.name: finding for finding in result.findings}


# ----------------------------------------------------------- the course from beginning to end


@pytest.fixture
def started(tmp_path, capsys):
    """A folder with the exercises."""
    assert call(capsys, "start", tmp_path / "exercises")[0] == 0
    return tmp_path / "exercises"


def test_start_writes_a_file_for_each_chapter_that_python_can_read(started):
    names = {path.name for path in started.iterdir()}
    assert names == {"README.md", *(chapter.file for chapter in CHAPTERS)}
    for chapter in CHAPTERS:
        text = (started / chapter.file).read_text()
        functions = {n.name: n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)}
        for exercise in chapter.exercises:
            assert ast.get_docstring(functions[exercise.name]) == inspect.getdoc(exercise.solution)
        assert text.count("raise NotImplementedError") == len(chapter.exercises)
        assert f"minicnn course check {chapter.number}" in text


def test_start_keeps_what_is_there(started, capsys):
    mine = started / CHAPTERS[0].file
    mine.write_text("mine")
    (started / "README.md").unlink()
    code, out, _ = call(capsys, "start", started)
    assert code == 0 and mine.read_text() == "mine"
    assert mine.name in out.splitlines()[0] and out.splitlines()[1] == "written: README.md"


def test_the_whole_course_with_the_solutions(started, capsys):
    code, out, _ = call(capsys, "progress", "--dir", started, *PATIENT)
    assert code == 0 and out.count("not begun") == len(CHAPTERS)
    assert out.splitlines()[-1].endswith(f"[{'.' * 20}]  0 % (0 of {TOTAL})")
    for chapter in CHAPTERS:
        answers = {exercise.name: exercise.source for exercise in chapter.exercises}
        (started / chapter.file).write_text(chapter.write(answers))
    code, out, err = call(capsys, "progress", "--dir", started, *PATIENT)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].endswith(f"[{'#' * 20}]  100 % ({TOTAL} of {TOTAL})")
    report = started / "results.json"
    code, *_ = call(
        capsys, "grade", "--format", "gradescope", "--dir", started, "--out", report, *PATIENT
    )
    results = json.loads(report.read_text())
    assert code == 0 and len(results["tests"]) == TOTAL
    assert all(t["score"] == t["max_score"] and t["output"] == "Right." for t in results["tests"])


def test_the_whole_course_with_mistakes(started, capsys):
    made = {}
    for chapter in CHAPTERS:
        answers = {}
        for i, exercise in enumerate(chapter.exercises):
            wrong = exercise.mistakes[i % len(exercise.mistakes)]
            answers[exercise.name] = exercise.source_of(wrong)
            made[f"{chapter.number}.{exercise.name}"] = wrong
        (started / chapter.file).write_text(chapter.write(answers))
    code, out, _ = call(capsys, "grade", "--dir", started, *PATIENT)
    grade = json.loads(out)
    assert code == 0 and grade["max_score"] == TOTAL
    named = [made[one["name"]].name == one["mistake"] for one in grade["exercises"]]
    assert np.mean(named) >= 0.9
    assert all(one["score"] == 0 and one["message"] for one in grade["exercises"])


def test_check_says_what_is_wrong_and_what_it_was_judged_with(started, capsys):
    chapter = find_chapter("03")
    wrong = {e.name: e.source_of(e.mistakes[0]) for e in chapter.exercises}
    (started / chapter.file).write_text(chapter.write(wrong))
    code, out, _ = call(capsys, "check", "03", "--dir", started, *PATIENT)
    assert code == 1 and out.startswith("03 convolution: 0 of 7 right\n")
    assert out.count("  WRONG\n") == 7
    words = " ".join(out.split())
    assert chapter.exercises[0].mistakes[0].sentence in words
    assert "(Judged with the course's own output_size, since yours is not right yet.)" in words
    assert "expected size = 1 got size = 0" in words


def test_functions_are_judged_on_the_cpu_whatever_the_device(tmp_path, monkeypatch):
    monkeypatch.setenv("MINICNN_DEVICE", "cuda")
    chapter = find_chapter("01")
    answers = {exercise.name: exercise.source for exercise in chapter.exercises}
    (tmp_path / chapter.file).write_text(chapter.write(answers))
    findings = check(chapter, tmp_path, limit=60.0).findings
    assert [(f.name, f.status) for f in findings] == [(name, PASSED) for name in answers]


def test_check_of_one_function_prints_only_that(started, capsys):
    code, out, _ = call(capsys, "check", "03.im2col", "--dir", started)
    assert code == 1 and [line.split() for line in out.splitlines()[1:]] == [["im2col", "to", "do"]]


def test_the_folder_is_found_where_start_puts_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "no exercises in '.' or 'exercises'. Name" in call(capsys, "check", "03")[2]
    assert call(capsys, "start")[0] == 0
    assert call(capsys, "check", "03")[1].startswith("03 convolution: 0 of 7 right")
    monkeypatch.chdir(tmp_path / "exercises")
    assert call(capsys, "check", "03")[1].startswith("03 convolution: 0 of 7 right")


def test_hints_come_one_or_all(capsys):
    code, out, _ = call(capsys, "hint", "03.im2col")
    assert code == 0 and out.startswith("1. ") and out.endswith("(2 more with --more)\n")
    code, out, _ = call(capsys, "hint", "03.im2col", "--more")
    assert code == 0 and out.count("\n") == 3 and "--more" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["check", "--dir", "nowhere"], 1, "there are no exercises in 'nowhere'. Name their fold"),
        (["check", "77", "--dir", "."], 2, "there is no chapter '77'; there are 01, 02"),
        (["hint", "03.conv3d"], 2, "there is no exercise '03.conv3d'"),
        (["grade", "--format", "gradscope"], 2, "got 'gradscope'. Did you mean 'gradescope'?"),
        (["start", __file__], 1, "is a file; name a folder"),
        (["chekc"], 2, "invalid choice: 'chekc'"),
    ],
)
def test_wrong_commands_are_explained(arguments, code, text, capsys):
    found, _, err = call(capsys, *arguments)
    assert found == code and text in err


def test_importing_minicnn_or_its_command_line_imports_no_course():
    code = "import sys, minicnn, minicnn.cli; minicnn.cli.build_parser();"
    code += "print([m for m in sys.modules if m.startswith('minicnn.course')])"
    environment = {**os.environ, "PYTHONPATH": str(Path(minicnn.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=True, env=environment)  # fmt: skip
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------------------------- bad conduct


MISBEHAVING = {  # name -> (body, what is said of it); {line} is the line of the body
    "add_backward": ("while True: pass", "It was still running after 4 seconds, at line {line}: "),
    "mul_backward": ("raise SystemExit(0)", "It ends the program in line {line}: exit() has no"),
    "div_backward": ("__import__('os')._exit(3)", "It ended the whole Python process, with exit c"),
    "tanh_backward": ("return tanh_backward(dy, y)", "It calls itself without end in line {line}."),
    "topological_order": ("raise ValueError('so')", "It raises ValueError in line {line}: so."),
    "backward": ("return zipp(slopes)", "It uses a name that nothing defines in line {line}: name"),
    "unbroadcast": ("print('sum', dy.sum())", "It prints its result instead: a function hands its"),
    "matmul_backward": (
        "return np.zeros(2**29), b",
        "It needs more memory than 2 GiB in li",
    ),
    "relu_backward": ("print(1); return np.where(x > 0, dy, 0)", "It prints (1 line in one call)"),
}


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory):
    """What is said about functions of chapter 1 that do what no function should, and the file."""
    folder = tmp_path_factory.mktemp("bad")
    bodies = {name: body for name, (body, _) in MISBEHAVING.items()}
    result = fill_in(folder, find_chapter("01"), **bodies)
    return said(result), (folder / result.chapter.file).read_text().splitlines()


@pytest.mark.parametrize("name", MISBEHAVING)
def test_a_function_that_misbehaves_gets_a_sentence(misbehaving, name):
    found, lines = misbehaving
    body, text = MISBEHAVING[name]
    assert found[name].message.startswith(text.format(line=lines.index(f"    {body}") + 1))
    assert found[name].status == (PASSED if name == "relu_backward" else FAILED)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def f(:\n    pass\n", "Python cannot read line 1: "),
        ("import numpi\n", "An import fails in line 1: No module named 'numpi'"),
        ("x = np.zeros(3)\n", "A name is not defined in line 1: name 'np' is not defined"),
        ("import sys\nsys.exit()\n", "It ends the program in line 2"),
        ("import os\nos._exit(1)\n", "It ended the whole Python process, with exit code 1"),
        ("while True:\n    pass\n", "It was still running after 1 seconds, at line "),
        ("1 / 0\n", "It raises ZeroDivisionError in line 1 as it is read: division by zero"),
        ("\x00", "cannot"),
    ],
)
def test_a_file_that_cannot_be_run_gets_a_sentence(text, problem, tmp_path):
    chapter = find_chapter("03")
    (tmp_path / chapter.file).write_text(text)
    result = check(chapter, tmp_path, limit=1.0)
    assert problem in result.problem and result.done == 0
    assert all(finding.status == FAILED for finding in result.findings)
    assert f"{chapter.file}: " in describe(result)


def test_a_bad_file_does_not_keep_others_from_being_checked(started, capsys):
    (started / "01_tape.py").write_text("def f(:")
    (started / "02_gradient_checking.py").unlink()
    chapter = find_chapter("03")
    answers = {exercise.name: exercise.source for exercise in chapter.exercises}
    (started / chapter.file).write_text(chapter.write(answers))
    code, out, _ = call(capsys, "check", "01", "02", "03", "--dir", started, *PATIENT)
    assert code == 1
    assert "01_tape.py: Python cannot read line 1" in out
    assert "There is no file 02_gradient_checking.py; write it anew with" in " ".join(out.split())
    assert "03 convolution: 7 of 7 right" in out


def test_missing_and_overwritten_functions(tmp_path):
    chapter = find_chapter("03")
    (tmp_path / chapter.file).write_text("im2col = 3\ndef conv2d(x):\n    return x\n")
    found = said(check(chapter, tmp_path))
    assert "There is no function but a int in the file" in found["im2col"].message
    assert "There is no such function in the file" in found["output_size"].message
    assert "It cannot be called as conv2d(x, w, b, stride, padding" in found["conv2d"].message


@pytest.mark.parametrize("bad", ["1 / 0", "__import__('os')._exit(1)"])
def test_a_function_is_not_blamed_for_one_that_it_calls(bad, tmp_path):
    chapter = find_chapter("03")
    fast, size = chapter.find("conv2d"), chapter.find("output_size")
    answers = {
        "conv2d": fast.source,
        "output_size": size.source_of(size.mistakes[0]),
        "conv2d_weight_grad": chapter.find("conv2d_weight_grad").source,
    }
    text = chapter.write(answers).replace("def im2col(", f"def im2col(*_): {bad}\n\ndef _(")
    (tmp_path / chapter.file).write_text(text)
    found = said(check(chapter, tmp_path, limit=60))
    assert [found[name].status for name in ("output_size", "im2col")] == [FAILED, FAILED]
    assert found["conv2d"].status == found["conv2d_weight_grad"].status == PASSED
    assert found["conv2d"].message == (
        "(Judged with the course's own output_size and im2col, since yours are not right yet.)"
    )
    assert found["conv2d_loops"].status == TODO and not found["conv2d_loops"].message
