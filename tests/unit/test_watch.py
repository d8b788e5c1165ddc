"""The terminal view tells what is done, runs, waits and has failed, from files alone."""

import os

import pytest
from rich.console import Console
from support import ROOT

from l2s.config import read_entry, read_yaml
from l2s.experiment import Experiment
from l2s.layout import Layout
from l2s.plan.costs import Costs
from l2s.plan.estimates import Estimates
from l2s.plan.jobs import PlannedJob
from l2s.plan.watch import State, Watch

TIMING = "s\th:m:s\tmax_rss\n{seconds}\t0:00:13\t514.64\n"


class Run:
    """A run in a folder of its own: files as scripts and Snakemake write them, at times of our choice."""

    def __init__(self, folder, monkeypatch):
        monkeypatch.chdir(ROOT)
        config = read_yaml(ROOT / "config" / "demo.yaml")
        self.folder, self.layout = folder, Layout(config["results"])
        self.experiment = Experiment(config, ROOT / "config")
        self.costs = Costs(self.experiment, read_entry(ROOT / "config" / "estimates.yaml", Estimates))
        decodings = [("models/demo-slow", "demo"), ("models/demo-quick", "demo")]
        self.jobs = [self.decode(*asked) for asked in decodings]

    def decode(self, checkpoint, decoding):
        name = f"{checkpoint}/{decoding}"
        wildcards = {"checkpoint": checkpoint, "decoding": decoding}
        return PlannedJob("decode", wildcards, self.layout.log("decode", name), self.layout.timing("decode", name))

    def write(self, path, text, time):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (time, time))

    def start(self, time):
        self.write(".snakemake/locks/0.output.lock", "", time)

    def watch(self):
        return Watch(self.experiment, self.costs, self.jobs, self.folder)


@pytest.fixture
def run(tmp_path, monkeypatch):
    return Run(tmp_path, monkeypatch)


def states(watch):
    return [one.state for one in watch.look()]


def text(watch):
    console = Console(width=150, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(watch.show())
    return console.export_text()


def test_a_job_runs_from_its_first_words_until_its_timing_is_written(run):
    run.start(1000)
    watch = run.watch()
    assert states(watch) == [State.WAITING, State.WAITING]
    run.write(run.jobs[0].log, "decode: 40% of 600 responses, 135.3/s, 12,343 tokens/s, 2.7 s left\n", 1010)
    assert states(watch) == [State.RUNNING, State.WAITING]
    assert "12,343 tokens/s, 2.7 s left" in text(watch)
    run.write(run.jobs[0].timing, TIMING.format(seconds=13.49), 1020)
    assert states(watch) == [State.DONE, State.WAITING]


def test_a_log_or_timing_of_an_earlier_run_says_nothing_of_this_one(run):
    run.write(run.jobs[0].log, "decode: 100% of 600 responses\n", 500)
    run.write(run.jobs[0].timing, TIMING.format(seconds=13.49), 510)
    run.write(run.jobs[1].log, "decode: 10% of 600 responses\n", 500)
    run.start(1000)
    assert states(run.watch()) == [State.WAITING, State.WAITING]


@pytest.mark.parametrize("last", ["error: models/x: no space", "torch.OutOfMemoryError: CUDA out of memory."])
def test_a_failure_is_shown_with_the_line_that_says_why_and_the_log(run, last):
    run.start(1000)
    run.write(
        run.jobs[1].log,
        f"Loading weights: 1%\rLoading weights: 100%\nTraceback (most recent call last):\n{last}\n",
        1010,
    )
    watch = run.watch()
    assert states(watch) == [State.WAITING, State.FAILED]
    assert last in text(watch)
    assert run.jobs[1].log in text(watch)


def test_the_time_left_follows_what_finished_decodes_took(run):
    run.start(1000)
    planned = run.costs.decode_seconds("models/demo-slow", "demo")
    run.write(run.jobs[0].timing, TIMING.format(seconds=10 * planned), 1005)
    other = run.watch()
    run.jobs = run.jobs[1:]
    shown = text(run.watch())
    assert "Decoding left: 1 jobs" in shown
    assert "at the speed measured so far" in shown
    assert "at the speed measured so far" not in text(other)


def test_without_a_running_snakemake_there_is_nothing_to_wait_for(run):
    watch = run.watch()
    assert watch.finished()
    assert "Snakemake is not running here; 2 jobs are left" in text(watch)
