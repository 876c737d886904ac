"""The course: what is named is there, and the build refuses what no student should see."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TUTORIALS = ROOT / "tutorials"
README = (TUTORIALS / "README.md").read_text()
TABLE = README[README.index("| notebook | modules |") :]
EXPLAINED = {
    row[1]: re.findall(r"`(minicnn/[\w/]+\.py)`", row[0])
    for row in re.finditer(r"^\| \[\d\d\]\((\w+)\.ipynb\).*", TABLE, re.MULTILINE)
}
REFERENCES = {
    str(path.relative_to(ROOT)): re.findall(r"Tutorial: tutorials/(\w+)\.ipynb", path.read_text())
    for path in sorted((ROOT / "minicnn").rglob("*.py"))
    if "Tutorial:" in path.read_text()
}
with_jupyter = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("jupytext", "nbclient", "ipykernel")),
    reason="needs what the notebooks need: pip install '.[course]'",
)


def test_every_notebook_has_a_script_a_row_in_both_tables_and_every_script_a_notebook():
    scripts = {path.stem for path in TUTORIALS.glob("[0-9][0-9]_*.py")}
    assert scripts == {path.stem for path in TUTORIALS.glob("*.ipynb")}
    assert scripts == set(EXPLAINED)
    assert scripts == set(re.findall(r"^\| \[\d\d [^]]+\]\((\w+)\.ipynb\)", README, re.MULTILINE))


@pytest.mark.parametrize("notebook", EXPLAINED)
def test_the_modules_that_a_notebook_explains_name_it(notebook):
    assert EXPLAINED[notebook], "the table names no module"
    for module in EXPLAINED[notebook]:
        assert (ROOT / module).is_file(), f"the table names {module}, which is not there"
        assert notebook in REFERENCES.get(module, []), f"{module} does not name {notebook}"


@pytest.mark.parametrize("module", REFERENCES)
def test_the_notebook_that_a_module_names_is_there_and_explains_it(module):
    assert REFERENCES[module], "write it as 'Tutorial: tutorials/NN_name.ipynb'"
    for notebook in REFERENCES[module]:
        assert (TUTORIALS / f"{notebook}.ipynb").is_file()
        assert module in EXPLAINED[notebook]


@pytest.mark.parametrize("notebook", EXPLAINED)
def test_links_of_a_notebook_lead_somewhere_and_its_source_is_that_of_the_table(notebook):
    script = (TUTORIALS / f"{notebook}.py").read_text()
    text = "\n".join(line for line in script.splitlines() if line.startswith("#"))  # no code
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    missing = [link for link in links if not (TUTORIALS / link).resolve().exists()]
    assert not missing
    assert {link[3:] for link in links if link.startswith("../minicnn/")} >= set(
        EXPLAINED[notebook]
    )


def build(folder, *arguments):
    command = [sys.executable, str(TUTORIALS / "build.py"), "--folder", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def course(tmp_path):
    script = tmp_path / "07_sum.py"
    script.write_text("# %% [markdown]\n# # A sum\n\n# %%\nx = 1 + 1\nprint(x)\n\n# %%\nx\n")
    return script


@with_jupyter
def test_a_built_notebook_has_the_outputs_and_is_the_same_again(course):
    notebook = course.with_suffix(".ipynb")
    assert build(course.parent, "7")[0] == 0
    first = notebook.read_text()
    title, code, value = json.loads(first)["cells"]
    assert title["source"] == ["# A sum"]
    assert code["outputs"][0]["text"] == ["2\n"]
    assert value["outputs"][0]["data"]["text/plain"] == ["2"]
    assert build(course.parent)[0] == 0
    assert notebook.read_text() == first
    assert build(course.parent, "--check")[0] == 0
    assert notebook.read_text() == first


@with_jupyter
def test_check_fails_where_a_notebook_and_its_script_disagree(course):
    code, said = build(course.parent, "--check")
    assert code == 1 and "07_sum.ipynb and 07_sum.py disagree" in said  # there is none yet
    assert build(course.parent)[0] == 0
    course.write_text(course.read_text().replace("1 + 1", "1 + 2"))
    code, said = build(course.parent, "--check")
    assert code == 1 and "then run: python tutorials/build.py 07" in said


@with_jupyter
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("assert x == 3", "AssertionError"),
        ("import warnings; warnings.warn('beware')", "beware"),
        ("object()", "shows an address"),
    ],
    ids=["raises", "warns", "address"],
)
def test_nothing_is_built_that_raises_warns_or_shows_an_address(course, line, complaint):
    course.write_text(course.read_text() + f"\n# %%\n{line}\n")
    code, said = build(course.parent)
    assert code == 1 and complaint in said
    assert not course.with_suffix(".ipynb").exists()


@with_jupyter
def test_a_number_without_a_script_is_named(course):
    code, said = build(course.parent, "8")
    assert code == 2 and "there is no script with the number 08" in said
