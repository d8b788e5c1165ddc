"""The code digest changes when code that a step reaches changes, and only then."""

import tokenize

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


# Two lines, and the tokens that Python 3.12 makes of them, as (kind, text, start, end).
FORMATTED = "x = f\"{a:>{n}} {{b}}\"\ny = f'''{f\"{a}\"\n}'''\n"
TAKEN_APART = [
    ("NAME", "x", (1, 0), (1, 1)),
    ("OP", "=", (1, 2), (1, 3)),
    ("FSTRING_START", 'f"', (1, 4), (1, 6)),
    ("OP", "{", (1, 6), (1, 7)),
    ("NAME", "a", (1, 7), (1, 8)),
    ("OP", ":", (1, 8), (1, 9)),
    ("FSTRING_MIDDLE", ">", (1, 9), (1, 10)),
    ("OP", "{", (1, 10), (1, 11)),
    ("NAME", "n", (1, 11), (1, 12)),
    ("OP", "}", (1, 12), (1, 13)),
    ("OP", "}", (1, 13), (1, 14)),
    ("FSTRING_MIDDLE", " {", (1, 14), (1, 16)),
    ("FSTRING_MIDDLE", "b}", (1, 17), (1, 19)),
    ("FSTRING_END", '"', (1, 20), (1, 21)),
    ("NEWLINE", "\n", (1, 21), (1, 22)),
    ("NAME", "y", (2, 0), (2, 1)),
    ("OP", "=", (2, 2), (2, 3)),
    ("FSTRING_START", "f'''", (2, 4), (2, 8)),
    ("OP", "{", (2, 8), (2, 9)),
    ("FSTRING_START", 'f"', (2, 9), (2, 11)),
    ("OP", "{", (2, 11), (2, 12)),
    ("NAME", "a", (2, 12), (2, 13)),
    ("OP", "}", (2, 13), (2, 14)),
    ("FSTRING_END", '"', (2, 14), (2, 15)),
    ("NL", "\n", (2, 15), (2, 16)),
    ("OP", "}", (3, 0), (3, 1)),
    ("FSTRING_END", "'''", (3, 1), (3, 4)),
    ("NEWLINE", "\n", (3, 4), (3, 5)),
    ("ENDMARKER", "", (4, 0), (4, 0)),
]


def test_the_digest_is_the_same_where_python_takes_f_strings_apart(scripts, monkeypatch):
    (scripts / "l2s/tools.py").write_text(FORMATTED)
    here = digest()
    numbers = {kind: 1000 + number for number, kind in enumerate(sorted({kind for kind, *_ in TAKEN_APART}))}
    for kind, number in numbers.items():
        monkeypatch.setitem(tokenize.tok_name, number, kind)
    tokens = [tokenize.TokenInfo(numbers[kind], *rest, line="") for kind, *rest in TAKEN_APART]
    split = provenance.tokenize.generate_tokens

    def as_python_3_12(readline):
        text = "".join(iter(readline, ""))
        return iter(tokens) if text == FORMATTED else split(iter(text.splitlines(keepends=True)).__next__)

    monkeypatch.setattr(provenance.tokenize, "generate_tokens", as_python_3_12)
    assert digest() == here
    (scripts / "l2s/tools.py").write_text(FORMATTED.replace("{{b}}", "{{c}}"))
    assert digest() != here


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
