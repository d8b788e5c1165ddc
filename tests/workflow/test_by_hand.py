"""Every step also runs by hand, without Snakemake, and tells a user what is wrong in one line."""

import json
import os
import signal
import subprocess
import sys

import pytest
import yaml
from support import DEMO, ROOT

from l2s.config import read_values
from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import read_table
from l2s.contracts.responses import RESPONSES
from l2s.sources.pinning import rows_digest

DECODE = ["--decoding", "demo", "--out", "x.parquet"]
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))


def script(name, *options):
    """Run a script as a user would; return the finished process."""
    command = [sys.executable, str(ROOT / "scripts" / name), *map(str, options)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def write_recipe(folder, **values):
    recipe = {"method": "ties", "base": str(DEMO / "quick"), "models": [str(DEMO / "slow")], **values}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder / "recipe.yaml"


def test_one_ctrl_c_ends_a_script_with_one_line(tmp_path):
    options = [
        "--model",
        DEMO / "slow",
        "--benchmark",
        "demo_arithmetic",
        "--decoding",
        "demo",
        "--out",
        tmp_path / "r.parquet",
    ]
    command = [sys.executable, "-u", str(ROOT / "scripts" / "decode.py"), *map(str, options)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = [process.stdout.readline()]  # it is under way
    process.send_signal(signal.SIGINT)
    said += process.communicate()[0].splitlines()
    assert process.returncode == 130, said
    assert said[-1] == "stopped; run again to go on" and not any("Traceback" in line for line in said)


def test_ctrl_c_while_a_script_is_still_importing_is_one_line_too():
    command = [sys.executable, "-c", "import l2s\nraise KeyboardInterrupt"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == "stopped; run again to go on\n"


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_explains_every_option(name):
    done = script(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "--" in done.stdout and len(done.stdout) > 200


def test_merge_decode_grade_tabulate_and_draw_by_hand(tmp_path):
    recipe, merged = write_recipe(tmp_path, keep_fraction=0.2, scale=1.0), tmp_path / "merged"
    responses, grades = tmp_path / "responses.parquet", tmp_path / "grades.parquet"
    for name, options in [
        ("merge.py", ["--recipe", recipe, "--out", merged]),
        ("decode.py", ["--model", merged, "--benchmark", "demo_arithmetic", "--decoding", "demo", "--out", responses]),
        ("decode.py", ["--model", DEMO / "quick", "--benchmark", "demo_arithmetic", "--decoding", "demo", "--first", 50,
                       "--out", tmp_path / "quick.parquet"]),
        ("grade.py", ["--responses", responses, "--out", grades, "--against", tmp_path / "quick.parquet"]),
    ]:  # fmt: skip
        done = script(name, *options)
        assert done.returncode == 0, done.stderr
    assert "right of 600 responses" in done.stdout and f"against {tmp_path}/quick.parquet: +" in done.stdout
    assert len(read_table(tmp_path / "quick.parquet", RESPONSES)) == 50
    assert len(read_table(responses, RESPONSES)) == 600
    outcomes = [row["outcome"] for row in read_table(grades, GRADES).to_pylist()]
    assert outcomes.count("correct") / len(outcomes) > 0.95

    row = {"pair": "demo", "method": "ties", "recipe": "ties", "checkpoint": "merged", "reference": "merged"}
    spec = {"study": "mine", "title": "Mine", "reference": "itself", "benchmarks": ["demo_arithmetic"]}
    spec["rows"] = [row]
    spec["checkpoints"] = {"merged": {"responses": str(responses), "grades": {"math_verify": str(grades)}}}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    table = tmp_path / "results" / "tables" / "mine.v2"
    comparisons = tmp_path / "results" / "comparisons" / "mine.v2.parquet"
    done = script("compare.py", "--spec", tmp_path / "spec.yaml", "--out", comparisons)
    assert done.returncode == 0, done.stderr
    done = script("make_table.py", "--spec", tmp_path / "spec.yaml", "--comparisons", comparisons, "--out", table)
    assert done.returncode == 0, done.stderr
    figure = tmp_path / "results" / "figures" / "mine.v2" / "accuracy_length"
    done = script(
        "draw_figure.py", "--table", f"{table}.parquet", "--figure", "accuracy_length", "--out", figure
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = script("draw_figure.py", "--table", f"{table}.parquet", "--figure", "radar", "--out", tmp_path / "radar")
    assert done.returncode == 1
    assert "mine.v2.parquet: figure 'radar': a radar has at least three benchmarks" in done.stderr
    shown = script("show.py", "--study", "mine.v2", "--results", tmp_path / "results").stdout
    assert "ties" in shown and "+0.0 %" in shown and "accuracy_length.html" in shown


def test_decoding_again_by_hand_takes_responses_from_the_store(tmp_path):
    options = ["--model", DEMO / "quick", "--benchmark", "demo_validation", "--decoding", "demo"]
    for _ in range(2):
        done = script("decode.py", *options, "--out", tmp_path / "r.parquet")
    assert "300 of 300 responses are in the store, 0 are to be decoded" in done.stdout
    assert json.loads((tmp_path / "r.json").read_text())["decoded_now"] == 0


def test_the_workflows_own_files_may_be_given_by_hand(tmp_path):
    options = ["--decoding", "demo", "--store", tmp_path / "store"]
    for name, given in [
        ("load_questions.py", ["--entry", "demo_validation", "--out", tmp_path / "questions.parquet"]),
        ("fetch_model.py", ["--source", DEMO / "quick", "--out", tmp_path / "fetched"]),
        ("decode.py", ["--model", DEMO / "quick", "--benchmark", "demo_validation", "--out", tmp_path / "a.parquet"]),
        ("decode.py", ["--model", tmp_path / "fetched/manifest.json", "--benchmark", tmp_path / "questions.parquet",
                       "--prompt", "demo", "--out", tmp_path / "b.parquet"]),
    ]:  # fmt: skip
        done = script(name, *given, *(options if name == "decode.py" else []))
        assert done.returncode == 0, done.stderr
    assert "300 of 300 responses are in the store" in done.stdout
    assert read_table(tmp_path / "a.parquet", RESPONSES).equals(read_table(tmp_path / "b.parquet", RESPONSES))
    done = script("train.py", "--rebuild", tmp_path / "fetched" / "manifest.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "describes a fetched checkpoint; give the manifest of a trained one" in done.stderr


def test_few_shot_decoding_by_hand_with_entries_given_as_files(tmp_path):
    rows = [{"question": "1+1", "answer": "\\boxed{2}"}]
    shown = {"template": "Q: {question} A: {answer}", "separator": "\n"}
    entries = {
        "demos.json": {"sums": rows},
        "mine.yaml": {"path": str(tmp_path / "demos.json"), "sets": {"sums": rows_digest(rows)}},
        "shots.yaml": {
            "template": "Q: {question} A:",
            "few_shot": {"examples": f"{tmp_path}/mine.yaml", **shown},
        },
        "demo_validation.yaml": {
            **read_values(ROOT / "config/benchmarks/demo_validation.yaml"),
            "examples": "sums",
        },
        "short.yaml": {**yaml.safe_load((ROOT / "config/decoding/demo.yaml").read_text()), "max_new_tokens": 2},
    }
    entries["short.yaml"]["prompt"] = f"{tmp_path}/shots.yaml"
    for name, values in entries.items():
        (tmp_path / name).write_text(json.dumps(values))  # JSON is YAML
    options = ["--model", DEMO / "quick", "--decoding", tmp_path / "short.yaml", "--out", tmp_path / "r.parquet"]
    done = script("decode.py", *options, "--benchmark", tmp_path / "demo_validation.yaml")
    assert done.returncode == 0, done.stderr
    prompt = json.loads((tmp_path / "r.json").read_text())["first_prompt"]
    assert prompt.startswith("Q: 1+1 A: \\boxed{2}\nQ: From left to right, modulo 10: ")
    done = script("decode.py", *options, "--benchmark", "demo_arithmetic")
    assert done.returncode == 1
    assert "demo_arithmetic.yaml: key 'examples' is missing, and the prompt shows few-shot examples" in done.stderr


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"method": "tise"}, "recipe.yaml: unknown method 'tise'; did you mean 'ties'?"),
        ({"keep_fraction": 2}, "recipe.yaml: key 'keep_fraction': Input should be less than or equal to 1 (found 2)"),
        ({"modles": []}, "unknown key 'modles'"),
        ({"models": []}, "recipe.yaml: key 'models'"),
        ({"base": None}, "method 'ties' needs 'base'"),
        ({"method": "average"}, "method 'average' has no base: put all models into 'models', the quick one first"),
        ({"models": ["no/where"]}, "no/where: no such model"),
        ({"models": "Qwen/Qwen2.5-Math-7B"}, "recipe.yaml: key 'models'"),
    ],
)
def test_wrong_recipe_is_one_clear_line_and_leaves_nothing(tmp_path, refused, changed, message):
    said = refused("merge.py", "--recipe", write_recipe(tmp_path, **changed), "--out", tmp_path / "out")
    assert said.startswith("error: ") and message in said
    assert len(said.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


def test_merge_never_replaces_a_folder_that_is_no_merged_checkpoint(tmp_path, refused):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("dear")
    said = refused("merge.py", "--recipe", write_recipe(tmp_path), "--out", tmp_path / "thesis")
    assert "exists and is not a merged checkpoint; choose another folder" in said
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "dear"


def test_merge_replaces_an_earlier_merge_but_not_its_own_input_or_a_users_files(tmp_path, refused):
    out = tmp_path / "merged"
    assert script("merge.py", "--recipe", write_recipe(tmp_path), "--out", out).returncode == 0
    assert script("merge.py", "--recipe", write_recipe(tmp_path, scale=0.5), "--out", out).returncode == 0
    own_input = ["--recipe", write_recipe(tmp_path, models=[str(out)]), "--out", f"{out}/../merged"]
    assert "is one of the models that are merged" in refused("merge.py", *own_input)
    (out / "notes.txt").write_text("dear")
    assert "also holds notes.txt" in refused("merge.py", "--recipe", write_recipe(tmp_path), "--out", out)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("merge.py", [], "give --recipe and --out, or --rebuild"),
        ("merge.py", ["--recipe", "absent.yaml", "--out", "x"], "absent.yaml: no such file"),
        ("decode.py", [*DECODE, "--model", DEMO / "quick", "--benchmark", "gsm9k"], "gsm9k"),
        ("decode.py", [*DECODE, "--model", "absent", "--benchmark", "demo_validation"], "absent: no such model"),
        ("decode.py", [*DECODE, "--model", DEMO / "quick", "--benchmark", "demo_validation", "--out", "x.json"],
         "--out must end in .parquet"),
        ("decode.py", ["--model", DEMO / "quick", "--benchmark", "demo_validation", "--decoding", "paper", "--out",
                       "x.parquet"], "the decode settings go by role: say --role quick, --role slow or --role merged"),
        ("decode.py", [*DECODE, "--model", "x", "--benchmark", "demo_validation", "--prompt", "dmeo"],
         "--prompt: 'dmeo' is unknown"),
        ("decode.py", [*DECODE, "--model", "no/manifest.json", "--benchmark", "demo_validation"],
         "no/manifest.json: no such file"),
        ("decode.py", [*DECODE, "--model", "x", "--benchmark", "gsm8k", "--examples", "shots.parquet"],
         "--examples shots.parquet: give NAME=PATH"),
        ("decode.py", [*DECODE, "--model", DEMO / "quick", "--benchmark", "x.parquet", "--prompt", "cot"],
         "--benchmark x.parquet: the prompt shows examples: give --examples BENCHMARK=PATH as well"),
        ("merge.py", ["--calibration", "importance"], "--calibration importance: give NAME=PATH"),
        ("measure_noise.py", ["--responses", "a", "--responses", "b", "--grades", "c", "--out", "x"],
         "--grades: give one for each of the 2 --responses (found 1)"),
        ("measure_noise.py", ["--responses", "a", "--grades", "c", "--out", "x"], "give at least two files"),
        ("load_questions.py", ["--entry", "gsm9k", "--out", "x"], "--entry: 'gsm9k' is unknown"),
        ("load_examples.py", ["--entry", ROOT / "config/examples/qwen25-math.yaml", "--set", "gsm9k", "--out",
                               "x"], "key 'sets' does not name the set 'gsm9k'; did you mean 'gsm8k'?"),
        ("grade.py", ["--responses", "absent.parquet", "--out", "x"], "absent.parquet: no such file"),
        ("grade.py", ["--responses", ROOT / "Makefile", "--out", "x"], "not a readable Parquet file"),
        ("load_questions.py", ["--entry", ROOT / "config/pairs/demo.yaml", "--out", "x"], "unknown key 'quick'"),
        ("fetch_model.py", ["--source", "absent", "--out", "x"], "absent: no such model folder"),
        ("draw_figure.py", ["--table", "x", "--figure", "pie", "--out", "x"], "unknown figure 'pie'"),
    ],
)  # fmt: skip
def test_wrong_option_is_one_clear_line(tmp_path, refused, name, options, message):
    said = refused(name, *options)
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
