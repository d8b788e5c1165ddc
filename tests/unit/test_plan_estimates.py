"""Estimates follow the table of estimates; the simulation keeps to the number of GPUs."""

import itertools
import shutil

import pytest
from support import ROOT

from l2s.config import read_entry, read_yaml, validate
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.plan.costs import Costs
from l2s.plan.estimates import Estimates
from l2s.plan.measured import device_of, length_of, read_decoded, speed_of
from l2s.plan.schedule import Job, lower_bound, makespan

TABLE = {
    "price_per_gpu_hour": 2.0,
    "start_seconds": 10,
    "job_start_seconds": 3,
    "seconds": {"fetch_model": 5, "others": 1},
    "speeds": [{"up_to_gb": 1, "tokens_per_second": 100}, {"up_to_gb": 2, "tokens_per_second": 50}],
    "cpu_start_seconds": 5,
    "cpu_speeds": [{"up_to_gb": 1, "tokens_per_second": 7}],
    "lengths": {
        "a": {"quick": 10, "merged": 20, "slow": 1000},
        "others": {"quick": 1, "merged": 2, "slow": 3},
    },
}


def test_the_shipped_table_is_valid_and_names_the_papers_benchmarks():
    lengths = read_entry(ROOT / "config" / "estimates.yaml", Estimates).lengths
    assert {"gsm8k", "math500", "minerva_math", "olympiadbench", "college_math", "aime24"} < lengths.keys()


def test_tokens_follow_the_lengths_up_to_the_budget():
    table = validate(Estimates, TABLE, "t")
    assert table.tokens("quick", {"a": 50}, 100) == 500
    assert table.tokens("slow", {"a": 5, "b": 7}, 100) == 5 * 100 + 7 * 3


def test_the_speed_is_that_of_the_size_and_of_all_threads_on_a_cpu():
    table = validate(Estimates, TABLE, "t")
    assert table.tokens_per_second(10**9) == 100
    assert table.tokens_per_second(10**9 + 1) == table.tokens_per_second(10**12) == 50
    assert table.tokens_per_second(10**9, cpu_threads=4) == 4 * 7


def test_jobs_share_tokens_and_checkpoints_the_start_of_an_engine(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)

    def costs_of(name, keys):
        folder = shutil.copytree(ROOT / "config", tmp_path / name)
        with (folder / "decoding/paper.yaml").open("a") as file:
            file.write(keys)
        experiment = Experiment(read_yaml(ROOT / "config" / "config.yaml"), folder)
        return Costs(experiment, validate(Estimates, TABLE, "t"))

    asked = ("models/qwen2.5-math-7b", "paper")
    alone = costs_of("alone", "")
    shared = costs_of("shared", "replicas: 2\n")
    assert shared.job(*asked) == Job(10 + (alone.job(*asked).seconds - 10) / 2, 1)
    both = costs_of("both", "replicas: 2\ncheckpoints_per_engine: 3\n")
    ahead = next(one for one in both.experiment.ahead.values() if len(one.checkpoints) == 3)
    assert ahead.shares == 2
    apart = [alone.job(one, "paper").seconds - 10 for one in ahead.checkpoints]
    assert both.job(ahead.checkpoints[0], "paper").seconds == pytest.approx(10 + sum(apart) / 2)


def test_what_was_measured_goes_by_size_and_role(tmp_path):
    sidecar = tmp_path / "demo.json"
    assert read_decoded(sidecar, "slow", 100) is None
    said = '{"output_tokens": %s, "decode_seconds": 3.0, "decoded_now": 9, "engine": {"device": "%s"}}'
    sidecar.write_text(said % (900, "H200"))
    done = [read_decoded(sidecar, "slow", 100)]
    assert speed_of(done, 200) == 150
    sidecar.write_text(said % (90, "A100"))
    mixed = [read_decoded(sidecar, "quick", 100), *done, *done]
    assert (device_of(mixed), speed_of(mixed, 200)) == ("H200", 150), "another kind of device says nothing of this one"
    assert length_of(done, "slow") == 100
    assert length_of(done, "quick") is None and speed_of([], 200) is None
    sidecar.write_text('{"responses": 9, "decoded_now": 0}')
    assert read_decoded(sidecar, "slow", 100) is None, "all from the store: nothing was measured"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speeds": TABLE["speeds"][::-1]}, "key 'speeds': speeds must be sorted by 'up_to_gb'"),
        ({"lengths": {"a": TABLE["lengths"]["a"]}}, "needs quick, merged and slow .* and a line 'others'"),
        ({"seconds": {"merge": 3}}, "needs a line 'others'"),
        ({"lengths": {"others": {"quick": 1}}}, "needs quick, merged and slow"),
    ],
)
def test_incomplete_tables_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        validate(Estimates, {**TABLE, **changes}, "t")


def test_longest_first_is_near_the_bound():
    jobs = [Job(seconds, 1) for seconds in (7, 3, 3, 2, 2, 2, 1, 4, 5, 3)]
    for gpus in (1, 2, 3, 4):
        assert lower_bound(jobs, gpus) <= makespan(jobs, gpus) <= 1.15 * lower_bound(jobs, gpus)
    assert makespan(jobs, 1) == lower_bound(jobs, 1) == 32


def test_jobs_on_several_gpus_wait_until_enough_are_free():
    assert makespan([Job(4, 2), Job(3, 1), Job(3, 1)], 2) == 7
    assert makespan([Job(4, 2), Job(3, 1), Job(3, 1)], 4) == 4
    with pytest.raises(ValueError, match="more than 2 GPUs"):
        makespan([Job(1, 4)], 2)


def test_two_equal_loads_are_scheduled_whatever_their_order():
    jobs = [Job(5, 1), Job(4, 2), Job(3, 1), Job(2, 2)]
    assert len({makespan(order, 2) for order in itertools.permutations(jobs)}) == 1
