"""The code digest changes when code that a step reaches changes, and only then."""

import pytest

from l2s import provenance

SOURCES = {
    "step.py": "from l2s.tools import helper\n\nprint(helper(1))\n",
    "l2s/__init__.py": "",
    "l2s/tools.py": '"""Tools."""\n\n\ndef helper(x):\n    """Help."""\n    return x + 1  # one more\n',
    "l2s/methods/__init__.py": "",
    "l2s/methods/a.py": "A = 1\n",
    "l2s/methods/b.py": "from l2s.methods.a import A\nB = A\n",
    "l2s/methods/c.py": "C = 3\n",
}


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(provenance, "SCRIPTS", tmp_path)
    return tmp_path


def digest(*also):
    provenance.imported_files.cache_clear()
    provenance._token_digest.cache_clear()
    provenance._digest_of_script.cache_clear()
    return provenance.code_digest("step.py", also)


@pytest.mark.parametrize(
    "text",
    [
        SOURCES["l2s/tools.py"].replace("# one more", "# plus one"),
        SOURCES["l2s/tools.py"].replace('"""Help."""', '"""Help a lot."""'),
        SOURCES["l2s/tools.py"].replace('    """Help."""\n', ""),
        SOURCES["l2s/tools.py"].replace('"""Tools."""', '"""Other\n\ntools."""'),
        SOURCES["l2s/tools.py"].replace("\n\n\n", "\n\n\n\n# a comment line\n"),
        SOURCES["l2s/tools.py"].replace("    ", "  "),
    ],
)
def test_comments_docstrings_and_blank_lines_do_not_count(scripts, text):
    before = digest()
    (scripts / "l2s/tools.py").write_text(text)
    assert digest() == before


@pytest.mark.parametrize(
    "text", [SOURCES["l2s/tools.py"].replace("x + 1", "x + 2"), "def helper(x):\n    return 's'\n"]
)
def test_a_change_of_code_counts(scripts, text):
    before = digest()
    (scripts / "l2s/tools.py").write_text(text)
    assert digest() != before


def test_a_string_that_is_no_docstring_counts(scripts):
    before = digest("l2s.methods.a")
    (scripts / "l2s/methods/a.py").write_text('A = "text"\n')
    changed = digest("l2s.methods.a")
    (scripts / "l2s/methods/a.py").write_text('A = "other"\n')
    assert len({before, changed, digest("l2s.methods.a")}) == 3


def test_a_method_counts_for_those_that_reach_it_and_not_for_its_sisters(scripts):
    before = {name: digest(f"l2s.methods.{name}") for name in "abc"}
    (scripts / "l2s/methods/a.py").write_text("A = 2\n")
    after = {name: digest(f"l2s.methods.{name}") for name in "abc"}
    assert {name for name in "abc" if before[name] != after[name]} == {"a", "b"}


def test_every_script_of_the_project_has_a_digest():
    for script in sorted(provenance.SCRIPTS.glob("*.py")):
        assert len(provenance.code_digest(script.name)) == 16


def reached_from(script):
    """Return the files that a script reaches by import."""
    reached, pending = set(), [script]
    while pending:
        found = provenance.imported_files(pending.pop()) - reached
        reached |= found
        pending += found
    return reached


def test_the_experiment_is_reached_by_no_script_that_makes_anything():
    experiment = provenance.SCRIPTS / "l2s" / "experiment"
    assert experiment.is_dir()
    commands = {
        "doctor.py",
        "plan.py",
        "prune.py",
        "show.py",
        "watch.py",
        "shorten.py",
        "make_docs.py",
    }  # they make no results, and their rules have no digest
    commands.add("audit.py")  # it is about what is configured, and takes seconds to make again
    for script in provenance.SCRIPTS.glob("*.py"):
        if script.name in commands:
            continue
        assert not any(experiment in file.parents for file in reached_from(script)), script.name


def test_a_script_reaches_the_engine_of_its_own_stage_only():
    library = provenance.SCRIPTS / "l2s"
    engines = {"merge.py": "merging", "train.py": "training", "decode.py": "decoding", "calibrate.py": "calibration"}
    for script, own in engines.items():
        parts = {file.relative_to(library).parts[0] for file in reached_from(provenance.SCRIPTS / script)}
        assert own in parts
        # A training reads prompts as decoding does.
        others = set(engines.values()) - {own} - ({"decoding"} if script == "train.py" else set())
        assert not parts & others, script


def test_no_room_of_the_library_starts_scripts():
    library = provenance.SCRIPTS / "l2s"
    for file in library.rglob("*.py"):
        assert library / "steps.py" not in provenance.imported_files(file), file


def test_a_stage_imports_no_other_stage():
    stages = {"sources", "calibration", "merging", "training", "decoding", "grading", "analysis"}
    library = provenance.SCRIPTS / "l2s"
    for stage in stages:
        for file in (library / stage).rglob("*.py"):
            parts = {found.relative_to(library).parts[0] for found in provenance.imported_files(file)}
            assert not parts & (stages - {stage}), f"{file} imports {parts}"
