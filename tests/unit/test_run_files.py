"""What a run was, as its results folder keeps it."""

from pathlib import Path

from l2s.config import read_yaml
from l2s.contracts.run import Run
from l2s.crate.run_files import write_run_files
from l2s.experiment import Experiment
from l2s.experiment.assumptions import assumptions_of
from l2s.files import read_json
from l2s.layout import RUN, Layout


def test_a_run_of_the_paper_keeps_every_assumption_that_reaches_it(config):
    experiment = Experiment({**read_yaml(config / "config.yaml"), "studies": ["table_3"]}, Path("config"))
    layout = Layout("results/paper")
    write_run_files(experiment, layout, lambda path: None, succeeded=True)
    kept = Run(**read_json(Path(layout.run_file(RUN)), "")).assumptions
    reaching = {name: (assumed.choice, numbers) for name, assumed, numbers in assumptions_of(experiment)}
    assert {name: (assumed.choice, assumed.numbers) for name, assumed in kept.items()} == reaching != {}
