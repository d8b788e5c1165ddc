"""What CONTRIBUTING.md shows works as it stands: its code is written into a copy of the project and run."""

import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from merges import Given
from support import DEMO, ROOT, copy_project, load_tensors

# A code block is introduced by the file that it is: `path`, a colon, and the block.
BLOCK = re.compile(r"`([\w/]+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)
METHOD, TEST = "scripts/l2s/merging/negation.py", "tests/methods/test_negation.py"


@pytest.fixture(scope="module")
def blocks():
    """The code blocks by file."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    found = dict(BLOCK.findall(text))
    assert len(found) == text.count("```python"), "each code block needs a line '`its/file.py`:' before it"
    return found


@pytest.fixture(scope="module")
def contributed(blocks, tmp_path_factory):
    """A copy of the project, tests included, with the files of the code blocks."""
    folder = copy_project(tmp_path_factory.mktemp("contributed") / "project")
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "pyproject.toml", folder)
    for file, code in blocks.items():
        assert not (folder / file).exists()
        (folder / file).write_text(code)
    return folder


def run(folder, *command):
    command = [sys.executable, *map(str, command)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def run_tests(folder, *options):
    return run(folder, "-m", "pytest", "-p", "no:cacheprovider", "tests/unit/test_methods.py", *options)


def merge(folder, out, models, **settings):
    """Merge the demo's models by the shown method, through the script."""
    recipe = {"method": "negation", "base": str(DEMO / "quick"), "models": list(map(str, models)), **settings}
    out.with_suffix(".yaml").write_text(yaml.safe_dump(recipe))
    return run(folder, "scripts/merge.py", "--recipe", out.with_suffix(".yaml"), "--out", out)


def test_a_method_and_its_test_are_shown(blocks):
    assert {METHOD, TEST} <= blocks.keys()


def test_the_shown_files_are_formatted_and_pass_the_linter(contributed, blocks):
    for command in (["check"], ["format", "--check"]):
        done = run(contributed, "-m", "ruff", *command, *blocks)
        assert done.returncode == 0, done.stdout


def test_the_shown_method_merges_what_its_reference_says(contributed, blocks, tmp_path):
    done = merge(contributed, tmp_path / "out", [DEMO / "slow"], scale=0.8, dtype="float32")
    assert done.returncode == 0, done.stderr
    quick, slow = ({n: t.double().numpy() for n, t in load_tensors(DEMO / side).items()} for side in ("quick", "slow"))
    shown = {}
    exec(blocks[TEST], shown)
    expected = shown["reference"](Given(quick, [slow], {}), SimpleNamespace(scale=0.8))
    merged = load_tensors(tmp_path / "out")
    assert merged.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(merged[name].double().numpy(), values, rtol=6e-7, atol=6e-7, err_msg=name)


def test_the_shown_method_refuses_two_models_in_one_line(contributed, tmp_path):
    done = merge(contributed, tmp_path / "out", [DEMO / "slow", DEMO / "quick"])
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path / 'out.yaml'}: method 'negation' merges 1 model beside the base, but 'models' lists 2; "
        "take some out, or use another method"
    ]


def test_the_shown_method_passes_what_holds_for_every_method(contributed):
    done = run_tests(contributed, TEST, "tests/unit/test_exact_operations.py", "-rp", "-k", "negation")
    assert done.returncode == 0, done.stdout
    assert "PASSED tests/unit/test_methods.py::test_merge_equals_the_float64_reference[negation-1.5-1-" in done.stdout


def test_a_method_without_a_test_fails_a_test_in_one_line(contributed, tmp_path):
    (contributed / METHOD).with_stem("untested").write_text((contributed / METHOD).read_text())
    done = run_tests(contributed, "-k", "untested")
    (contributed / METHOD).with_stem("untested").unlink()
    assert "\nmethod 'untested' needs tests/methods/test_untested.py with its RECIPES and reference: see" in done.stdout
    assert "1 failed" in done.stdout and "Traceback" not in done.stdout
