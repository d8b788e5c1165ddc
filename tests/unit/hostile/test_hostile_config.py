"""Configurations that are careless or made to mislead: one line that names file, key and remedy, at once."""

import copy
import json
import re
import shutil

import pytest
import yaml
from hostile import refused
from support import ROOT

from l2s.checkpoints.model_entry import ModelEntry
from l2s.config import NAME, find_entry, read_entry, read_yaml, validate
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.experiment import registry as module
from l2s.experiment.pair_entry import PairEntry
from l2s.experiment.registry import Registry
from l2s.experiment.schema import MainConfig
from l2s.experiment.studies.table import TableStudy
from l2s.experiment.sweeps import expand
from l2s.merging.engine.recipe import parse_method
from l2s.plan.estimates import Estimates
from l2s.sources.benchmarks import BenchmarkEntry, load_questions
from l2s.sources.calibration_data import CalibrationDataEntry
from l2s.sources.examples import ExamplesEntry
from l2s.sources.imports import ImportEntry

DEMO = read_yaml(ROOT / "config" / "demo.yaml")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of config/ in a project folder; what a test writes there it takes away."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "config", folder / "config")
    (folder / "workflow").symlink_to(ROOT / "workflow")
    return folder


@pytest.fixture
def written(project, monkeypatch):
    """Write a file of config/ for one test: written(file, text) -> its path."""
    monkeypatch.chdir(project)
    module.read_once.cache_clear()
    before = {}

    def write(file, text):
        path = project / "config" / file
        before.setdefault(path, path.read_bytes() if path.exists() else None)
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        return path

    yield write
    for path, content in before.items():
        path.unlink() if content is None else path.write_bytes(content)


# ---- every key of every kind of entry, with values that nobody should write


ENTRIES = {
    "config.yaml": MainConfig,
    "estimates.yaml": Estimates,
    "models/qwen2.5-7b.yaml": ModelEntry,
    "models/demo-slow.yaml": ModelEntry,
    "pairs/32b-qwen-r1-qwq.yaml": PairEntry,
    "benchmarks/gsm8k.yaml": BenchmarkEntry,
    "benchmarks/aime24.yaml": BenchmarkEntry,
    "prompts/cot.yaml": PromptEntry,
    "prompts/qwen25-math-cot.yaml": PromptEntry,
    "prompts/chat.yaml": PromptEntry,
    "decoding/paper.yaml": DecodingEntry,
    "decoding/demo.yaml": DecodingEntry,
    "calibration_data/s1k.yaml": CalibrationDataEntry,
    "calibration_data/demo.yaml": CalibrationDataEntry,
    "examples/qwen25-math.yaml": ExamplesEntry,
    "imports/example.yaml": ImportEntry,
    "studies/demo.yaml": TableStudy,
}
ENTRIES = {file: schema for file, schema in ENTRIES.items() if (ROOT / "config" / file).is_file()}
CYCLE: list = []
CYCLE.append(CYCLE)
VALUES = [
    None, "", " ", [], {}, [[]], [{}], {"": None}, {"x": {"y": {"z": 1}}}, True, False, -1, 0, 1, 2**31, 2**63, 2**200,
    -0.5, 1e400, -1e400, float("nan"), 1e-320, "../..", "/etc/passwd", "~", "a/b", "{x}", "<b>x</b>", "a\nb", "\0",
    "x" * 300, "'; rm -rf ~", "$(touch evil)", "`touch evil`", "__import__('os').system('touch evil')", "é", "\ud800",
    "٣", "1_000", "0x10", "1e3", "true", "null", ["a", "a"], [None], [1, "a"], list(range(50)), "\x1b[2J", "\u202ex",
    {"from": 0, "to": 1, "step": 1e-9},
]  # fmt: skip


def keys_of(values, prefix=()):
    """Yield the place of every value in mappings and lists, also the nested ones."""
    items = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in items:
        yield (*prefix, key)
        if isinstance(value, dict | list):
            yield from keys_of(value, (*prefix, key))


def replaced(values, place, value):
    """Return a copy of nested values with one of them replaced."""
    changed = copy.deepcopy(values)
    inside = changed
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return changed


def of_study(values):
    return {"kind": "table", **values} if "recipes" in values else values


FUZZED = {
    f"{file} {'.'.join(map(str, place))}": (file, place)
    for file in ENTRIES
    for place in keys_of(of_study(yaml.safe_load((ROOT / "config" / file).read_text())))
}


@pytest.mark.parametrize("case", FUZZED)
def test_a_wrong_value_of_any_key_is_refused_with_one_line_or_is_a_right_one(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file, place = FUZZED[case]
    values = of_study(yaml.safe_load((ROOT / "config" / file).read_text()))
    for value in VALUES:
        try:
            validate(ENTRIES[file], replaced(values, place, value), file)
        except UserError as error:
            assert "\n" not in str(error), repr(error)
            assert str(error).startswith(f"{file}: "), str(error)
            assert re.search(r"'\w[^']*'", str(error)), f"names no key: {error}"
    assert not list(tmp_path.iterdir())


RECIPES = {file.stem: read_yaml(file) for file in sorted((ROOT / "config" / "recipes").glob("*.yaml"))}
RECIPES = {name: values for name, values in RECIPES.items() if "dpo" not in name and "extends" not in values}


@pytest.mark.parametrize("name", RECIPES)
def test_a_wrong_hyper_parameter_is_refused_with_one_line_or_is_a_right_one(name):
    own = {key: value for key, value in RECIPES[name].items() if key not in ("dtype", "tokenizer", "fidelity")}
    for place in keys_of(own):
        for value in VALUES:
            try:
                parse_method(replaced(own, place, value), "recipe")
            except UserError as error:
                assert str(error).startswith("recipe") and "\n" not in str(error), repr(error)


# ---- names


BAD_NAMES = [
    "", ".", "..", "../demo", "a/b", "/etc/passwd", ".hidden", "-x", "a b", "a\nb", "a\tb", "a\0b", "~", "a'b", 'a"b',
    "a`b", "<b>", "{x}", "a*", "a?", "a[b]", "a|b", "a;b", "a&b", "a$b", "a\\b", "a%b", "a#b", "a@b", "a:b", "a=b",
    "a,b", "é", "٣", "x" * 101, "x" * 300, "\u202edemo", "demo\n",
]  # fmt: skip
KINDS = ["models", "pairs", "recipes", "benchmarks", "examples", "calibration_data", "prompts", "decoding", "studies"]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_no_entry_of_any_kind_can_have_such_a_name(project, name):
    for kind in KINDS:
        with refused(r"^asked: an entry cannot be called .*: a name has letters, digits"):
            find_entry(project / "config" / kind, name, "asked")


def test_every_entry_of_ours_has_a_name_that_is_allowed():
    for kind in KINDS:
        assert all(NAME.fullmatch(file.stem) for file in (ROOT / "config" / kind).glob("*.yaml"))


STUDY = {"title": "x", "pairs": ["demo"], "recipes": ["ties"], "benchmarks": ["demo_arithmetic"], "decoding": "demo"}
STUDY |= {"grader": "math_verify"}
STUDIES = {
    "a pair that leads out": ({"pairs": [".."]}, "an entry cannot be called '..'"),
    "a path as benchmark": ({"benchmarks": ["../benchmarks/gsm8k"]}, "an entry cannot be called"),
    "a path as decode settings": ({"decoding": "/etc/passwd"}, "an entry cannot be called"),
    "a path as recipe": ({"recipes": ["../recipes/ties"]}, "an entry cannot be called"),
    "a path as grader": ({"grader": "../graders/toolkit"}, "unknown grader"),
    "a module of Python as grader": ({"grader": "os"}, "unknown grader"),
    "a path as figure": ({"figures": ["../figures/sweep"]}, "unknown figure"),
    "a module of Python as kind": ({"kind": "os.path"}, "unknown kind of study"),
    "a module of Python as method": ({"recipes": [{"method": "os"}]}, "unknown method"),
    "a path as method": ({"recipes": [{"method": "engine/run"}]}, "unknown method"),
    "a method that is a list of lists": ({"recipes": [{"method": [["ties"]]}]}, "unknown method"),
    "a number as recipe": ({"recipes": [5]}, "key 'recipes"),
    "a million recipes": (
        {"recipes": [{"method": "ties", "keep_fraction": [0.1] * 1000, "scale": [1.0] * 1000}]},
        "recipe 1: stands for 1,000,000 recipes, and 500 are the most",
    ),
    "four ranges": (
        {
            "recipes": [
                {
                    "method": "lore",
                    **{
                        key: {"from": 0.01, "to": 0.99, "step": 0.01}
                        for key in ("mu", "keep_fraction", "scale", "iterations")
                    },
                }
            ]
        },
        "stands for 96,059,601 recipes, and 500 are the most",
    ),
    "a range of 10^12 values": (
        {"recipes": [{"method": "task_arithmetic", "scale": {"from": 0, "to": 1, "step": 1e-12}}]},
        "a range has 100 values at most",
    ),
    "a range to infinity": (
        {"recipes": [{"method": "task_arithmetic", "scale": {"from": 0, "to": float("inf"), "step": 1}}]},
        "key 'to' of a range must be a finite number",
    ),
    "a range without step": (
        {"recipes": [{"method": "task_arithmetic", "scale": {"from": 0, "to": 1}}]},
        "a range needs 'from', 'to' and 'step'",
    ),
    "a range back": (
        {"recipes": [{"method": "task_arithmetic", "scale": {"from": 1, "to": 0, "step": 0.1}}]},
        "a range needs 'from' <= 'to'",
    ),
    "no value": ({"recipes": [{"method": "task_arithmetic", "scale": []}]}, "an empty list stands for no recipe"),
    "seeds that are no whole numbers": (
        {"recipes": [{"method": "dare", "seed": {"from": 0, "to": 1, "step": 0.25}}]},
        "key 'seed': Input should be a valid integer",
    ),
    "endless iterations": ({"recipes": [{"recipe": "lore", "iterations": 10**9}]}, "key 'iterations'"),
    "an infinite scale": ({"recipes": [{"method": "ties", "scale": float("inf")}]}, "key 'scale'"),
    "a recipe's own models": ({"recipes": [{"method": "ties", "models": ["/etc"]}]}, "is given by the pair"),
    "a recipe's own base": ({"recipes": [{"method": "ties", "base": "/etc"}]}, "is given by the pair"),
    "itself as member": ({"kind": "group", "studies": ["hostile"]}, "title|key"),
    "no lines": ({"recipes": [], "models": []}, "the study has no line"),
    "a budget of zero": ({"budgets": [0]}, "key 'budgets"),
    "a negative budget": ({"budgets": [-5]}, "key 'budgets"),
    "a window of zero": ({"read_at": [0]}, "key 'read_at"),
    "titles in a list": ({"title": ["a", "b"]}, "key 'title'"),
}


@pytest.mark.parametrize("case", STUDIES)
def test_a_hostile_study_is_refused_at_once(written, project, case):
    changes, message = STUDIES[case]
    values = {key: value for key, value in {**STUDY, **changes}.items() if value is not None}
    written("studies/hostile.yaml", yaml.safe_dump(values))
    with refused(message, project):
        Experiment({**DEMO, "studies": ["hostile"]}, project / "config")


TOP = {
    "a number as study": ({"studies": [1]}, r"key 'studies.0': Input should be a valid string \(found 1\)"),
    "no study": ({"studies": []}, "key 'studies'"),
    "a word in place of the list": ({"studies": "demo"}, "key 'studies': Input should be a list"),
    "a path as study": ({"studies": ["../studies/demo"]}, "an entry cannot be called"),
    "an unknown key": ({"sudies": ["demo"]}, "unknown key 'sudies'; did you mean 'studies'"),
    "a path as published numbers": ({"published": "../published/demo"}, "key 'published'"),
    "a million threads": ({"merge_threads": 10**6}, "key 'merge_threads'"),
    "infinite room": ({"calibration_gb": float("inf")}, "key 'calibration_gb'"),
    "no room": ({"calibration_gb": 0}, "key 'calibration_gb'"),
    "a path as stand-in": ({"stand_ins": {"models": {"demo-slow": "../../x"}}}, "an entry cannot be called"),
    "an unknown folder of stand-ins": ({"stand_ins": {"evil": {}}}, "key 'stand_ins.evil"),
    "a path as decode settings": ({"decoding": "../decoding/demo"}, "an entry cannot be called"),
    "another word for prune": ({"prune": "everything"}, "key 'prune'"),
    "no questions": ({"first_questions": 0}, "key 'first_questions'"),
    "benchmarks of nowhere": (
        {"benchmark_files": "/nowhere", "studies": ["table_1"]},
        "key 'benchmark_files' of the configuration: there is no file /nowhere/",
    ),
    "results in a file": ({"results": "config/config.yaml"}, "key 'results'"),
    "scratch in a file": ({"scratch": "workflow/resources/demo/README.md/x"}, "key 'scratch'"),
}


@pytest.mark.parametrize("case", TOP)
def test_a_hostile_configuration_is_refused_at_once(written, project, case):
    changes, message = TOP[case]
    with refused(message, project):
        Experiment({**DEMO, **changes}, project / "config")


# ---- YAML


def laughs(levels):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


YAMLS = {
    "a key given twice": ("a: 1\nb: 2\na: 3", "line 3: not valid YAML: key 'a' is given twice"),
    "a nested key given twice": ("a:\n  b: 1\n  b: 2", "line 3: not valid YAML: key 'b' is given twice"),
    "a list as key": ("? [a, b]\n: 1", "line 1: not valid YAML: a key must be a word or a number"),
    "a mapping as key": ("? {a: b}\n: 1", "a key must be a word or a number"),
    "a list that holds itself": ("a: &a [*a]", "what is given by '&' holds itself by '\\*'"),
    "a mapping that holds itself": ("a: &a {b: *a}", "what is given by '&' holds itself by '\\*'"),
    "a billion laughs": (laughs(12), "stands for .* values, more than 1,000,000"),
    "nested brackets": ("a: " + "[" * 5_000, "not valid YAML: brackets in brackets"),
    "nested braces": ("a: " + "{a: " * 5_000, "not valid YAML: brackets in brackets"),
    "nested dashes": ("- " * 5_000, "not valid YAML"),
    "an object of Python": ("a: !!python/object/apply:os.system ['touch evil']", "not valid YAML: could not determine"),
    "a name of Python": ("a: !!python/name:os.system", "not valid YAML"),
    "an unknown tag": ("a: !evil x", "not valid YAML"),
    "half a character": ('a: "\\ud800"', "half a character"),
    "a date that is none": ("a: 2024-13-45", "not valid YAML: month must be in"),
    "an alias of nothing": ("a: *b", "not valid YAML"),
    "a tab": ("a:\n\t- b", "not valid YAML"),
    "two documents": ("a: 1\n---\nb: 2", "not valid YAML"),
    "no UTF-8": (b"a: \xff\xfe", "not UTF-8 text"),
    "UTF-16": ("a: 1".encode("utf-16"), "not UTF-8 text"),
    "control characters": ("a: \x01", "not valid YAML"),
    "an open quote": ('a: "b', "not valid YAML"),
    "an open brace": ("a: {b", "not valid YAML"),
    "a colon too many": ("a: b: c", "not valid YAML"),
}


@pytest.mark.parametrize("case", YAMLS)
def test_yaml_that_is_broken_or_attacks_is_refused_at_once(tmp_path, monkeypatch, case):
    text, message = YAMLS[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with refused(rf"x.yaml.*{message}", tmp_path):
        read_yaml(tmp_path / "x.yaml")


NO_MAPPING = ["", "# nothing", "[]", "- a\n- b", "word", "5", "null", "true", "~"]


@pytest.mark.parametrize("text", NO_MAPPING)
def test_an_entry_that_is_no_mapping_is_named(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    for schema in set(ENTRIES.values()):
        with refused("x.yaml: expected a mapping of keys to values"):
            read_entry(tmp_path / "x.yaml", schema)


EXTENDS = {
    "itself": ("extends: hostile", "an entry cannot extend itself"),
    "a path": ("extends: ../models/demo-slow", "an entry cannot be called"),
    "a list": ("extends: [gsm8k]", "expected the name of one entry"),
    "nothing": ("extends: null", "expected the name of one entry"),
    "what is not there": ("extends: no-such-entry", "is unknown"),
}


@pytest.mark.parametrize("case", EXTENDS)
def test_an_entry_that_extends_what_it_cannot_is_refused(written, project, case):
    text, message = EXTENDS[case]
    written("benchmarks/hostile.yaml", text)
    with refused(message):
        Registry(project / "config", MainConfig(**DEMO)).benchmark("hostile")


# ---- rows of benchmarks


ROWS = {
    "no JSON": ("{", "line 2: not valid JSON"),
    "a list": ("[]", "line 2: not a JSON object"),
    "a word": ('"x"', "line 2: not a JSON object"),
    "nested brackets": ("[" * 100_000, "line 2: not valid JSON"),
    "no question": ('{"gold": "1", "id": "2"}', "row 2: there is no column 'question'"),
    "an empty question": ('{"question": " ", "gold": "1", "id": "2"}', "row 2: column 'question' holds nothing"),
    "null": ('{"question": null, "gold": "1", "id": "2"}', "row 2: column 'question' holds nothing"),
    "two answers": ('{"question": "q", "gold": ["1", "2"]}', "row 2: column 'gold' holds 2 values"),
    "half a character": (
        '{"question": "\\ud800", "gold": "1", "id": "2"}',
        "row 2: column 'question' holds half a character",
    ),
    "a repeated id": ('{"question": "q", "gold": "1", "id": "1"}', "rows 1 and 2 have the same id '1'"),
    "NaN": ('{"question": NaN}', "row 2: there is no column 'gold'"),
    "a number of 5,000 digits": ('{"question": ' + "9" * 5000 + "}", "line 2: not valid JSON"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_broken_row_of_a_benchmark_is_named(tmp_path, case):
    line, message = ROWS[case]
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"question": "1+1", "gold": "2", "id": "1"}) + "\n" + line + "\n")
    columns = {key: {"column": key} for key in ("question", "gold", "id")}
    entry = BenchmarkEntry.model_validate({"source": {"path": str(file)}, "rows": 2, **columns})
    with refused(rf"^entry \(.*rows.jsonl\).*{message}", tmp_path):
        load_questions("b", entry, "entry")


def test_a_sweep_of_as_many_recipes_as_are_allowed_is_made():
    assert len(expand({"a": list(range(100)), "b": [1, 2, 3, 4, 5]}, "x")) == 500
