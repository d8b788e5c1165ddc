"""Mistakes in the configuration are found while the DAG is built: one error that names file, key and remedy."""

import shutil

import pytest
import yaml
from support import ROOT

from l2s.errors import UserError
from l2s.experiment import Experiment, registry
from l2s.merging.aim import Aim
from l2s.merging.engine.contract import CalibrationRequest

DEMO_CONFIG = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
PAPER_CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def edit(file, changes):
    values = yaml.safe_load(file.read_text())
    values.update(changes)
    file.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}))


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("models/demo-slow", {"path": "nowhere"}, r"models/demo-slow.yaml: key 'path': there is no folder nowhere"),
        ("models/demo-slow", {"path": None, "repo": "a/b", "revision": "main"}, r"demo-slow.yaml: .*must be a commit"),
        ("models/demo-slow", {"licens": "MIT"}, r"demo-slow.yaml: unknown key 'licens'; did you mean 'licence'"),
        ("pairs/demo", {"slow": ["demo-slo"]}, r"pairs/demo.yaml: 'demo-slo' is unknown.*did you mean 'demo-slow'"),
        ("pairs/demo", {"slow": []}, r"pairs/demo.yaml: key 'slow'"),
        ("recipes/ties", {"keep_fraction": 1.5}, r"recipes/ties.yaml: key 'keep_fraction'.*less than or equal to 1"),
        ("recipes/ties", {"keep_fraction": 0}, r"recipes/ties.yaml: key 'keep_fraction'.*greater than 0"),
        ("recipes/ties", {"k": 0.8}, r"recipes/ties.yaml: unknown key 'k'.*keep_fraction"),
        ("recipes/ties", {"method": "tie"}, r"recipes/ties.yaml: unknown method 'tie'; did you mean 'ties'"),
        ("recipes/ties", {"base": "x"}, r"recipes/ties.yaml: key 'base' is given by the pair"),
        ("recipes/dare", {"drop_rate": 1.0}, r"recipes/dare.yaml: key 'drop_rate'.*equal to 0.999"),
        ("recipes/average", {"dtype": "int8"}, r"recipes/average.yaml: key 'dtype'"),
        ("benchmarks/demo_arithmetic", {"source": {"path": "no.jsonl"}}, r"key 'source.path': there is no file no"),
        ("decoding/demo", {"prompt": "dmeo"}, r"decoding/demo.yaml: 'dmeo' is unknown.*did you mean 'demo'"),
        ("decoding/demo", {"engine": "llama"}, r"decoding/demo.yaml: key 'engine': [^;]*$"),
        ("decoding/demo", {"max_new_tokens": 0}, r"decoding/demo.yaml: key 'max_new_tokens'"),
        ("decoding/demo", {"prompt": "cot"}, r"benchmarks/demo_arithmetic.yaml: key 'examples' is missing"),
        ("prompts/demo", {"template": None}, r"prompts/demo.yaml: give either 'template' or 'chat'"),
        ("studies/demo", {"pairs": ["7c"]}, r"demo.yaml: '7c' is unknown: there is no file config/pairs/7c"),
        ("studies/demo", {"pairs": ["demo", "demo"]}, r"studies/demo.yaml: key 'pairs': named more than once: demo"),
        ("studies/demo", {"recipes": ["tis"]}, r"recipe 1: 'tis' is unknown.*did you mean 'ties'"),
        ("studies/demo", {"recipes": [{"method": "ties", "scal": 1}]}, r"recipe 1: unknown key 'scal'; did you mean"),
        ("studies/demo", {"benchmarks": ["gsm9k"]}, r"studies/demo.yaml: 'gsm9k' is unknown.*did you mean 'gsm8k'"),
        ("studies/demo", {"recipes": ["ties", "ties"]}, r"demo.yaml: key 'recipes': 'ties, keep_.*' is given twice"),
        ("studies/demo", {"benchmarks": ["mean"]}, r"a benchmark cannot be called 'mean'"),
        ("pairs/demo", {"slow": ["demo-quick"]}, r"pairs/demo.yaml: .*name a model more than once"),
        ("decoding/demo", {"sampling": {"temperature": 1e-40}}, r"demo.yaml: key 'sampling': 'temperature' is 0"),
        ("studies/demo", {"grader": "tolkit"}, r"studies/demo.yaml: unknown grader 'tolkit'; did you mean"),
        ("studies/demo", {"figures": ["acuracy_length"]}, r"unknown figure 'acuracy_length'; did you mean"),
        ("studies/demo", {"models": [], "recipes": []}, r"studies/demo.yaml: the study has no line: name at least one"),
        ("studies/demo", {"kind": ["group"]}, r"demo.yaml: key 'kind': unknown kind of study '\['group'\]'"),
        ("studies/demo", {"kind": {}}, r"key 'kind': unknown kind of study '{}'; the kinds of study are drift, group,"),
        ("studies/demo", {"figures": ["radar"]}, r"demo.yaml: figure 'radar': a radar has at least three .*; name"),
        ("benchmarks/demo_arithmetic", {"level": None}, r"studies/demo_levels.yaml: figure 'by_level': no benchmark"),
        ("studies/demo_sweep", {"recipes": [{"method": "ties", "scale": 0.5, "keep_fraction": 0.1}, "ties"]},
         r"studies/demo_sweep.yaml: figure 'sweep': no two recipes .* differ in one hyper-parameter alone"),
    ],
)  # fmt: skip
def test_wrong_entry_is_named_by_file_and_key(config, file, changes, message):
    edit(config / f"{file}.yaml", changes)
    with pytest.raises(UserError, match=message) as caught:
        Experiment(DEMO_CONFIG, config.relative_to(config.parent))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study": ["demo"]}, "unknown key 'study'; did you mean 'studies'"),
        ({"studies": ["dmo"]}, "'dmo' is unknown.*did you mean 'demo'"),
        ({"studies": []}, "key 'studies'"),
        ({"merge_threads": 0}, "key 'merge_threads'"),
        ({"results": ""}, "key 'results'"),
        ({"studies": "demo"}, r"\): key 'studies': Input should be a list, e.g. \[mine\] \(found 'demo'\)$"),
        ({"int": 1}, r"unknown key 'int'; "),
    ],
)
def test_wrong_top_level_config_is_named_by_key(config, changes, message):
    with pytest.raises(UserError, match=message):
        Experiment({**DEMO_CONFIG, **changes}, config)


def test_broken_yaml_names_file_and_line(config):
    (config / "recipes" / "ties.yaml").write_text("method: ties\nscale: [1\n")
    with pytest.raises(UserError, match=r"recipes/ties.yaml, line \d: not valid YAML"):
        Experiment(DEMO_CONFIG, config)


def test_paper_config_needs_no_network_and_names_pinned_revisions(config):
    experiment = Experiment(PAPER_CONFIG, config)
    merge = next(merge for name, merge in experiment.merges.items() if "/ties/" in name)
    assert merge.recipe.inputs.base == "Qwen/Qwen2.5-Math-7B@b101308fe89651ea5ce025f25317fea6fc07e96e"
    assert set(merge.models.values()) == {"qwen2.5-math-7b", "deepseek-r1-distill-qwen-7b"}


def test_average_merges_quick_and_slow_without_a_base(config):
    merge = next(m for name, m in Experiment(DEMO_CONFIG, config).merges.items() if "/average/" in name)
    assert merge.recipe.inputs.base is None
    assert [merge.models[source] for source in merge.recipe.inputs.models] == ["demo-quick", "demo-slow"]


def test_studies_share_checkpoints_and_their_benchmarks_are_united(config):
    edit(config / "studies" / "demo.yaml", {"recipes": ["ties"]})
    study = yaml.safe_load((config / "studies" / "demo.yaml").read_text())
    shutil.copy(config / "benchmarks" / "demo_arithmetic.yaml", config / "benchmarks" / "second.yaml")
    (config / "studies" / "other.yaml").write_text(yaml.safe_dump({**study, "benchmarks": ["second"]}))
    experiment = Experiment({**DEMO_CONFIG, "studies": ["demo", "other"]}, config)
    assert len(experiment.merges) == 1
    assert set(map(tuple, experiment.asked.values())) == {("demo_arithmetic", "second")}


def test_checkpoint_path_follows_every_hyper_parameter_and_has_no_comma(config):
    recipes = [{"method": "ties", "scale": scale, "keep_fraction": keep} for scale in (0.5, 1.0) for keep in (0.2, 0.3)]
    edit(config / "studies" / "demo.yaml", {"recipes": [*recipes, {**recipes[0], "dtype": "float32"}]})
    names = [line.checkpoint for line in Experiment(DEMO_CONFIG, config).lines["demo"]]
    assert len(set(names)) == 7
    assert not any("," in name for name in names)


def test_key_given_twice_or_text_that_is_not_utf8_is_refused(config):
    (config / "recipes" / "ties.yaml").write_text("method: ties\nscale: 1.0\nscale: 0.5\n")
    with pytest.raises(UserError, match=r"ties.yaml, line 3: not valid YAML: key 'scale' is given twice"):
        Experiment(DEMO_CONFIG, config)
    (config / "recipes" / "ties.yaml").write_bytes("# größer\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"ties.yaml: not UTF-8 text"):
        Experiment(DEMO_CONFIG, config)


def test_recipes_that_differ_in_anything_have_different_names(config):
    recipes = [{"method": "dare"}, {"method": "dare", "seed": 1}, {"method": "dare", "dtype": "float32"}]
    scale = {"model.layers.*.mlp.*": 0.8, "model.layers.{0-1}.*": 0.5, "*": 0.7}
    recipes += [{"method": "ties", "trim": "model"}, {"method": "ties", "scale": scale}]
    recipes += [{"method": "aim", "of": {"method": "ties", "scale": {"*": number}}} for number in (0.5, 0.6)]
    edit(config / "studies" / "demo.yaml", {"recipes": recipes})
    names = [line.recipe for line in Experiment(DEMO_CONFIG, config).lines["demo"][2:]]
    assert names == [
        "dare, drop_rate 0.3",
        "dare, drop_rate 0.3, seed 1",
        "dare, drop_rate 0.3, dtype float32",
        "ties, keep_fraction 0.2, scale 1, trim model",
        "ties, keep_fraction 0.2, scale mlp 0.8, layers 0-1 0.5, others 0.7",
        "aim, of ties keep_fraction 0.2 scale others 0.5, omega 0.4",
        "aim, of ties keep_fraction 0.2 scale others 0.6, omega 0.4",
    ]


def test_two_entries_may_name_the_same_model(config):
    shutil.copy(config / "models" / "demo-slow.yaml", config / "models" / "again.yaml")
    edit(config / "pairs" / "demo.yaml", {"slow": ["demo-slow", "again"]})
    edit(config / "studies" / "demo.yaml", {"recipes": ["ties", "average"]})
    with pytest.raises(UserError, match=r"models/demo-slow and models/again would both be called 'slow' .*'label'"):
        Experiment(DEMO_CONFIG, config)
    edit(config / "models" / "again.yaml", {"label": "again"})
    registry.read_once.cache_clear()
    assert Experiment(DEMO_CONFIG, config).merges


def test_two_lines_of_one_name_are_refused_before_anything_is_decoded(config):
    edit(config / "studies" / "demo.yaml", {"recipes": [{"method": "ties", "scale": [0.5, 0.50000001]}]})
    named = "would both be called 'ties, keep_fraction 0.2, scale 0.5' in tables: .* differ in their first six digits"
    with pytest.raises(UserError, match=named):
        Experiment(DEMO_CONFIG, config)


def few_shot(config, own=None, for_all=None, **source):
    """Give the prompt of a new study examples, and its benchmark a set; return the study's configuration."""
    (config / "examples" / "mine.yaml").write_text(yaml.safe_dump({"sets": {"easy": "0" * 64}, **source}))
    shown = {"examples": "mine", "template": "{question} {answer}", "separator": " ", "set": for_all}
    edit(config / "prompts" / "demo.yaml", {"few_shot": shown})
    edit(config / "benchmarks" / "demo_arithmetic.yaml", {"examples": own})
    edit(config / "recipes" / "demo-dpo.yaml", {"prompt": "chat"})
    registry.read_once.cache_clear()
    return {**DEMO_CONFIG, "studies": ["demo"]}


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"own": "esay"}, r"benchmarks/demo_arithmetic.yaml: key 'examples': there is no set 'esay'; did you mean"),
        ({"for_all": "esay"}, r"prompts/demo.yaml: key 'few_shot.set': there is no set 'esay'; did you mean 'easy'"),
        ({}, r"benchmarks/demo_arithmetic.yaml: key 'examples' is missing, .* name a set of 'mine' there"),
    ],
)
def test_sets_of_examples_are_checked_before_anything_runs(config, sets, message):
    with pytest.raises(UserError, match=message):
        Experiment(few_shot(config, **sets, url="https://example.org/demos.json"), config)


def test_file_of_examples_must_exist(config):
    with pytest.raises(UserError, match=r"examples/mine.yaml: key 'path': there is no file no.json"):
        Experiment(few_shot(config, own="easy", path="no.json"), config)


def test_a_checkpoint_has_the_sets_of_the_benchmarks_that_are_asked_of_it_only(config):
    experiment = Experiment(few_shot(config, own="easy", url="https://example.org/demos.json"), config)
    assert experiment.registry.example_set("cot", "gsm8k") == "gsm8k"
    assert experiment.example_sets("models/demo-slow", "demo") == {"demo_arithmetic": "easy"}


def test_a_method_that_asks_for_an_unknown_kind_of_calibration_is_refused(config, monkeypatch):
    asked = {"x": CalibrationRequest("activation", (None,), "demo", "quick")}
    monkeypatch.setattr(Aim, "calibrations_needed", lambda method, models: asked)
    with pytest.raises(UserError, match=r"unknown kind of calibration 'activation'; did you mean 'activations'"):
        Experiment(DEMO_CONFIG, config)


def test_a_calibrated_method_on_an_architecture_that_calibration_does_not_know_is_refused(config, tmp_path):
    folder = tmp_path / "mixture"
    shutil.copytree(ROOT / "workflow" / "resources" / "demo" / "quick", folder)
    edit(config / "models" / "demo-quick.yaml", {"path": str(folder)})
    Experiment(DEMO_CONFIG, config)
    registry._not_calibrated.cache_clear()
    (folder / "config.json").write_text('{"model_type": "mixtral"}')
    message = r"reads a calibration of model 'demo-quick', and by .*/config.json calibration knows .*not mixtral"
    with pytest.raises(UserError, match=message):
        Experiment(DEMO_CONFIG, config)


def test_merges_on_a_gpu_that_a_cpu_could_not_make_again_are_refused_where_weights_are_not_kept(config):
    on_gpu = {**DEMO_CONFIG, "merge_device": "cuda"}
    Experiment({**on_gpu, "keep_checkpoints": True}, config)
    Experiment({**DEMO_CONFIG, "merge_device": "auto", "keep_checkpoints": False}, config)
    with pytest.raises(UserError, match=r"demo.yaml: weights that method 'lore' merges on a GPU .*to auto or"):
        Experiment({**on_gpu, "keep_checkpoints": False}, config)


def test_budget_follows_the_role_and_is_the_larger_of_two(config):
    edit(config / "decoding" / "demo.yaml", {"max_new_tokens": {"quick": 80, "slow": 100, "merged": 120}})
    edit(config / "studies" / "demo.yaml", {"recipes": ["ties"]})
    shutil.copy(config / "models" / "demo-slow.yaml", config / "models" / "third.yaml")
    edit(config / "pairs" / "demo.yaml", {"reference": "third"})
    values = {**DEMO_CONFIG, "studies": ["demo"]}
    experiment = Experiment(values, config)
    budgets = {name: experiment.decoding_of(name, "demo").max_new_tokens for name, _ in experiment.asked}
    (merged,) = experiment.merges
    assert budgets == {"models/demo-quick": 80, "models/demo-slow": 100, "models/third": 100, merged: 120}

    (config / "pairs" / "other.yaml").write_text("quick: demo-slow\nslow: [demo-quick]\n")
    edit(config / "studies" / "demo.yaml", {"pairs": ["demo", "other"]})
    experiment = Experiment(values, config)
    assert experiment.decoding_of("models/demo-quick", "demo").max_new_tokens == 100


def test_prompt_follows_the_role(config):
    edit(config / "decoding" / "demo.yaml", {"prompt": {"quick": "demo", "slow": "chat", "merged": "deepseek-math"}})
    edit(config / "studies" / "demo.yaml", {"recipes": ["ties"]})
    experiment = Experiment({**DEMO_CONFIG, "studies": ["demo"]}, config)
    (merged,) = experiment.merges
    prompts = {name: experiment.prompt_of(name, "demo") for name, _ in experiment.asked}
    assert prompts["models/demo-quick"].template.startswith("Question: ")
    assert prompts["models/demo-slow"].chat is not None
    assert prompts[merged].template.startswith("User: ")
    edit(config / "decoding" / "demo.yaml", {"prompt": {"quick": "demo", "slow": "chat", "merged": "dep"}})
    with pytest.raises(UserError, match=r"decoding/demo.yaml: 'dep' is unknown"):
        registry.read_once.cache_clear()
        Experiment(DEMO_CONFIG, config)


def test_a_group_is_its_studies_and_own_lines_can_be_chosen(config):
    (config / "studies" / "both.yaml").write_text("kind: group\ntitle: t\nstudies: [demo, demo_sweep]\n")
    edit(config / "studies" / "demo.yaml", {"models": ["demo-slow"]})
    experiment = Experiment({**DEMO_CONFIG, "studies": ["both"]}, config)
    assert list(experiment.studies) == ["both", "demo", "demo_sweep"]
    assert [line.method for line in experiment.lines["demo"][:2]] == ["slow", "dpo"]
    edit(config / "studies" / "demo.yaml", {"models": ["demo-slow", "qwq-32b"]})
    with pytest.raises(UserError, match=r"studies/demo.yaml: key 'models': qwq-32b is in none of the study's pairs"):
        Experiment(DEMO_CONFIG, config)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a": ["a"]}, r"studies/a.yaml: key 'studies': a group cannot contain itself \(a > a\); remove 'a'"),
        ({"a": ["demo", "b"], "b": ["c"], "c": ["b"]}, r"studies/c.yaml: .* \(b > c > b\); remove 'b'"),
        ({"a": ["my study"], "my study": ["demo"]}, r"studies/a.yaml: .* cannot be called 'my study': a name has"),
    ],
)  # fmt: skip
def test_group_of_itself_or_a_name_that_is_no_target_is_refused(config, members, message):
    for name, studies in members.items():
        (config / "studies" / f"{name}.yaml").write_text(f"kind: group\ntitle: t\nstudies: {studies}\n")
    with pytest.raises(UserError, match=message):
        Experiment({**DEMO_CONFIG, "studies": ["a"]}, config)


def test_a_study_that_has_a_rules_name_is_refused(config):
    (config / "studies" / "merge.yaml").write_text("kind: group\ntitle: t\nstudies: [demo]\n")
    experiment = Experiment({**DEMO_CONFIG, "studies": ["merge"]}, config)
    experiment.check_targets(["all", "decode"])
    with pytest.raises(UserError, match=r"studies/merge.yaml: a study cannot be called 'merge': a rule has that name"):
        experiment.check_targets(["all", "merge"])


def test_spectra_are_of_each_slow_model_against_the_base(config):
    shutil.copy(config / "models" / "demo-slow.yaml", config / "models" / "third.yaml")
    edit(config / "pairs" / "demo.yaml", {"slow": ["demo-slow", "third"]})
    experiment = Experiment({**DEMO_CONFIG, "studies": ["demo_spectra"]}, config)
    (study,) = experiment.studies.values()
    assert study.task_vectors(experiment.registry) == [("demo-quick", "demo-slow"), ("demo-quick", "third")]
    assert experiment.checkpoints == ["models/demo-quick", "models/demo-slow", "models/third"]
    edit(config / "pairs" / "demo.yaml", {"quick": None})
    registry.read_once.cache_clear()
    with pytest.raises(UserError, match=r"demo_spectra.yaml: pair 'demo' has no base that task vectors are taken from"):
        Experiment({**DEMO_CONFIG, "studies": ["demo_spectra"]}, config)


def with_vllm(config, checkpoint_memory, **changes):
    """Decode the demo on GPUs of so many times the memory that the slow model's weights take."""
    size = sum(file.stat().st_size for file in (ROOT / "workflow/resources/demo/slow").glob("*.safetensors"))
    memory = {"device_memory_gb": checkpoint_memory * size / 1e9}
    on_gpus = {"engine": "vllm", "device": "cuda", "batch_size": None, "vllm": memory}
    edit(config / "decoding" / "demo.yaml", {"dtype": "bfloat16", **on_gpus, **changes})


def test_devices_follow_the_checkpoints_size_in_the_dtype_of_decoding(config):
    by_role = {"quick": "bfloat16", "slow": "bfloat16", "merged": "bfloat16", "average": "float32"}
    with_vllm(config, checkpoint_memory=1, dtype=by_role)
    recipes = ["average", "ties", {"recipe": "ties", "dtype": "float32"}]
    edit(config / "studies" / "demo.yaml", {"recipes": recipes})
    experiment = Experiment({**DEMO_CONFIG, "studies": ["demo"]}, config)
    devices = {name: experiment.decoding_of(name, "demo").gpus for name, _ in experiment.asked}
    average, narrow, wide = (
        line.checkpoint for line in experiment.lines["demo"] if line.checkpoint.startswith("demo/")
    )
    assert devices == {"models/demo-quick": 2, "models/demo-slow": 2, average: 4, narrow: 2, wide: 2}
    assert experiment.size(wide) == 2 * experiment.size(narrow) == 2 * experiment.size(average)


HUB = {"path": None, "content_id": None, "repo": "a/b", "revision": "0" * 40}


def test_a_model_of_unknown_size_is_as_large_as_those_that_it_is_merged_with(config):
    known = Experiment({**DEMO_CONFIG, "studies": ["demo"]}, config).elements("models/demo-quick")
    edit(config / "models" / "demo-slow.yaml", HUB)
    experiment = Experiment({**DEMO_CONFIG, "studies": ["demo"]}, config)
    assert experiment.elements("models/demo-slow") == known
    assert {experiment.elements(merge) for merge in experiment.merges} == {known}


def test_a_size_that_nothing_tells_must_be_said_where_devices_follow_it(config):
    with_vllm(config, checkpoint_memory=1)
    for name in ("demo-quick", "demo-slow"):
        edit(config / "models" / f"{name}.yaml", HUB)
    experiment = Experiment({**DEMO_CONFIG, "studies": ["demo"]}, config)
    with pytest.raises(UserError, match=r"'auto' needs to know how large models/demo-slow is: give key 'bytes' in the"):
        experiment.decoding_of("models/demo-slow", "demo")


def test_configured_decoding_takes_the_place_of_every_studys_own(config):
    experiment = Experiment({**DEMO_CONFIG, "decoding": "demo-vllm"}, config)
    assert {study.decoding for study in experiment.studies.values() if study.kind in ("table", "noise")} == {
        "demo-vllm"
    }
    assert experiment.decoding_of("models/demo-slow", "demo-vllm").engine == "vllm"
    message = r"^key 'decoding' of the configuration: 'demo-vlm' is unknown: .*did you mean 'demo-vllm'"
    with pytest.raises(UserError, match=message):
        Experiment({**DEMO_CONFIG, "decoding": "demo-vlm"}, config)
