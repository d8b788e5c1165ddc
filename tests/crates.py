"""A small results folder as a run leaves it: a fetched and a merged model, responses, a table, logs, and the crate."""

from pathlib import Path
from types import SimpleNamespace

from merges import merge

from l2s.checkpoints.manifest import write_manifest
from l2s.checkpoints.weights import describe_model
from l2s.config import read_yaml
from l2s.crate.run_files import write_run_files
from l2s.crate.write import write_crate
from l2s.experiment import Experiment
from l2s.files import write_text
from l2s.layout import Layout, fetched

MERGED = "demo/average/plain~00000000"
STARTED = 1_700_000_000.0


class SmallRun:
    """A results folder under the working directory, which must be a project folder, and Snakemake's records of it.

    Attributes:
        layout: The folder's.
        results: The folder.
        records: What Snakemake has recorded, by output.
    """

    def __init__(self, make_model) -> None:
        self.layout = Layout("results/small")
        self.results = Path(self.layout.results)
        self.records = {}
        quick, slow = make_model("quick", 0), make_model("slow", 1)
        model = self.layout.manifest(fetched("demo-quick"))
        write_manifest(describe_model(quick, str(quick)), Path(model))
        self.record("fetch_model", "demo-quick", [], model)
        merged = self.layout.manifest(MERGED)
        merge({"method": "average"}, quick, [slow], Path(merged).parent)
        self.record("merge", MERGED, [model], merged)
        responses = self.layout.responses(MERGED, "demo")
        self.write(responses, "what the model wrote")
        self.record("decode", f"{MERGED}/demo", [merged], responses)
        table = self.layout.table("demo", "csv")
        self.write(table, "accuracy\n0.5\n")
        self.record("make_table", "demo", [responses], table)
        self.write(f"{self.layout.store}/0123/responses.parquet", "kept")
        self.write(f"{self.layout.store}/0123/.lock", "")
        self.crate()

    def write(self, path: str, text: str) -> None:
        """Write a file of the results folder."""
        write_text(Path(path), text)

    def record(self, rule: str, name: str, inputs: list[str], output: str) -> None:
        """Leave what a job of Snakemake's leaves besides its output: log, timing and record."""
        log = self.layout.log(rule, name)
        self.write(log, "done\n")
        self.write(self.layout.timing(rule, name), "s\tmax_rss\n1.50\t12.25\n")
        times = {"starttime": STARTED, "endtime": STARTED + 2}
        self.records[output] = SimpleNamespace(rule=rule, input=inputs, log=[log], **times)

    def crate(self, succeeded: bool = True) -> None:
        """Write the crate, as at the end of a run of the demo's configuration."""
        experiment = Experiment(read_yaml(Path("config/demo.yaml")), Path("config"))
        write_run_files(experiment, self.layout, self.records.get, succeeded)
        write_crate(experiment, self.layout, self.records.get, succeeded)
