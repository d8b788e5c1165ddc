"""What a plan says of decoding on a CPU, and of budgets."""

import os

import pytest
import yaml
from rich.console import Console
from support import ROOT

from l2s.config import read_entry
from l2s.experiment import Experiment
from l2s.experiment.study import Line
from l2s.layout import Layout
from l2s.plan import on_cpu
from l2s.plan.costs import ASSUMED, MEASURED, PUBLISHED, Costs
from l2s.plan.estimates import Estimates
from l2s.plan.jobs import PlannedJob
from l2s.plan.other_jobs import other_jobs
from l2s.plan.published import PublishedLengths
from l2s.plan.report import short_budgets, unknown_sizes

PUBLISHED_MERGES = [
    "average",
    "task_arithmetic",
    "ties",
    "dare",
    "dare_ta",
    "dare_ties",
    "lore",
    "twin",
    "aim",
    "sens",
    "dpo",
]
ESTIMATES = read_entry(ROOT / "config" / "estimates.yaml", Estimates)


@pytest.fixture
def costs_of(monkeypatch):
    monkeypatch.chdir(ROOT)

    def costs_of(config, layout=None, **changes):
        values = yaml.safe_load((ROOT / "config" / f"{config}.yaml").read_text())
        return Costs(Experiment({**values, **changes}, ROOT / "config"), ESTIMATES, layout)

    return costs_of


def text(table):
    console = Console(width=150, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(table)
    return console.export_text()


def test_a_plan_on_a_cpu_counts_responses_tokens_and_time_by_role(costs_of, monkeypatch):
    monkeypatch.setattr(on_cpu, "cores", lambda: 4)
    costs = costs_of("demo", studies=["demo"])
    asked = list(costs.experiment.asked)
    shown = text(on_cpu.cpu_table(costs, asked, asked))
    quick = next(line for line in shown.splitlines() if "quick" in line)
    assert "600" in quick and "2,400" in quick, "600 questions, 4 tokens each as config/published/demo has it"
    assert "on the CPU, 4 cores" in shown and "all together" in shown


def test_what_the_results_folder_has_measured_goes_before_what_is_published(costs_of, tmp_path):
    layout = Layout(str(tmp_path))
    sidecar = tmp_path / "responses" / "models" / "demo-slow" / "demo.json"
    sidecar.parent.mkdir(parents=True)
    measured = '"output_tokens": 60000, "decode_seconds": 1.0, "decoded_now": 600'
    sidecar.write_text(f'{{{measured}, "engine": {{"device": "cpu"}}}}')
    costs = costs_of("demo", layout, studies=["demo"])
    assert costs.known_from("models/demo-slow", "demo") == ["speed measured on cpu", "lengths measured"]
    assert costs.known_from("models/demo-quick", "demo") == ["speed measured on cpu", "lengths published"]
    assert costs.tokens("models/demo-slow", "demo") == 60_000
    assert costs.tokens("models/demo-quick", "demo") == 2_400, "nothing is known of quick ones"
    size = [costs.weight_bytes(f"models/demo-{name}", "demo") for name in ("quick", "slow")]
    expected = ESTIMATES.cpu_start_seconds + 2_400 / (60_000 * size[1] / size[0])
    assert costs.decode_seconds("models/demo-quick", "demo") == pytest.approx(expected)


def test_lengths_are_those_published_for_the_pair_and_for_other_methods_the_mean_of_its_merges(costs_of):
    costs = costs_of("config", studies=["table_1", "table_4", "dare_drop_rate"])
    (ties,) = [name for name in costs.experiment.merges if name.startswith("7b/ties/")]
    assert costs.lengths("models/qwen2.5-math-7b", "paper")["gsm8k"] == (130.2, PUBLISHED)
    assert costs.lengths("models/deepseek-r1-distill-qwen-32b", "paper")["math500"].tokens != 2826, "not the 7B model's"
    assert costs.lengths(ties, "paper")["aime24"].source == PUBLISHED
    nothing = PublishedLengths(None)
    assert nothing.of([Line("7b", "ties", "", {}, "", "")], "gsm8k") is None
    others = costs.published.of([Line("7b", "breadcrumbs", "", {}, "", "")], "gsm8k")
    lengths = costs.published.lengths
    made = [lengths[key][0] for key in lengths if key[::2] == ("7b", "gsm8k") and key[1] not in ("quick", "slow")]
    assert len(made) == 11 and others == pytest.approx(sum(made) / 11)


def test_other_jobs_take_what_the_timings_of_their_kind_say_else_the_table(costs_of, tmp_path):
    layout = Layout(str(tmp_path))
    costs = costs_of("demo", layout, studies=["demo"])
    merges = [name for name in costs.experiment.merges if "/task_arithmetic/" in name or "/ties/" in name]
    jobs = [PlannedJob("merge", {}, "", layout.timing("merge", name)) for name in merges]
    jobs += [PlannedJob("grade", {}, "", layout.timing("grade", "models/demo-slow/demo/toolkit"))]
    asked = {"checkpoint": "models/demo-slow", "decoding": "demo"}
    jobs += [PlannedJob("decode", asked, "", layout.timing("decode", "models/demo-slow/demo"))]
    (ties,) = [name for name in merges if "/ties/" in name]
    timing = tmp_path / "timings" / "merge" / f"{ties}.tsv"
    timing.parent.mkdir(parents=True)
    timing.write_text("s\th:m:s\n60.0\t0:01:00\n")
    short = tmp_path / "timings" / "grade" / "models" / "demo-slow" / "demo" / "toolkit.tsv"
    short.parent.mkdir(parents=True)
    short.write_text(f"s\th:m:s\n{1.5 * ESTIMATES.job_start_seconds}\t0:00:00\n")  # tells nothing but its start
    taken, start = {one.kind: one for one in other_jobs(costs, jobs)}, ESTIMATES.job_start_seconds
    assert taken["merge/ties"] == ("merge/ties", 1, pytest.approx(60), MEASURED)
    assert taken["grade"] == ("grade", 1, pytest.approx(start + 0.6 * ESTIMATES.seconds["grade"]), ASSUMED)
    gigabytes = 2e-9 * costs.experiment.elements(ties)
    assert taken["merge/task_arithmetic"].seconds == pytest.approx(start + gigabytes * ESTIMATES.seconds["merge"])
    assert taken.keys() == {"merge/ties", "merge/task_arithmetic", "grade"}


def test_memory_is_checked_for_the_jobs_that_run_at_a_time(costs_of, monkeypatch):
    costs = costs_of("config", decoding="cpu")
    asked = [one for one in costs.experiment.asked if "7b" in one[0]]
    monkeypatch.setattr(on_cpu, "cores", lambda: 64)
    check = on_cpu.check_cpu_memory(costs, asked)
    assert not check.good
    assert "run with --resources mem_mb=" in check.line


def test_a_budget_below_the_expected_length_is_named_once(costs_of):
    costs = costs_of("config", studies=["table_1"], decoding="cpu")
    said = short_budgets(costs, costs.experiment.asked)
    (slow,) = [line for line in said if "slow responses to math500" in line]
    assert "the budget of 2,048 tokens" in slow and "lower bounds; raise 'max_new_tokens'" in slow
    assert not [line for line in said if "gsm8k" in line], "GSM8K's are shorter"


def test_a_model_of_unknown_size_is_planned_like_a_7b_model_and_told(costs_of, monkeypatch):
    costs = costs_of("demo", studies=["demo"])
    monkeypatch.setattr(costs.experiment.registry, "model_bytes", lambda name: None)
    assert costs.weight_bytes("models/demo-slow", "demo") == 4 * 7_600_000_000
    (said, *_) = unknown_sizes(costs.experiment, [("models/demo-slow", "demo"), ("models/demo-slow", "demo-noise")])
    assert said.startswith("models/demo-slow: nothing tells how large it is") and not _
