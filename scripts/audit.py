"""Put published numbers beside ours: the rule audit, and a command line of its own.

    snakemake audit                                         the paper's
    python scripts/audit.py --configfile config/demo.yaml   another configuration's, from what its studies have so far

Nothing has to have been run: what was not says so, and what the published numbers say of themselves is shown anyway.
"""

from typing import Annotated

import typer

from l2s.audit.alternatives import read_assumed
from l2s.audit.findings import find_all
from l2s.audit.lines import Given, audit
from l2s.audit.measured import Measured
from l2s.audit.published import Published
from l2s.audit.spec import FOLDER, Spec, audit_spec
from l2s.audit.summary import by_table
from l2s.audit.write import write_audit
from l2s.config import CONFIG, read_yaml, validate
from l2s.contracts.audit import VERDICTS
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.jobs import run_cli, run_job
from l2s.layout import Layout


def spec_of(path: str) -> Spec:
    """Return what the audit of a configuration's file is made from."""
    experiment = Experiment(read_yaml(path), CONFIG)
    spec = audit_spec(experiment, Layout(experiment.config.results))
    if spec is None:
        raise UserError(f"{path}: key 'published' is missing: name the folder of {FOLDER} to compare with")
    return spec


def main(
    spec: Annotated[
        Spec, typer.Option("--configfile", parser=spec_of, metavar="FILE", help="Top-level configuration.")
    ] = "config/config.yaml",
) -> None:
    """Write a table and a page for each published table, and a page that sums them up, into the results folder."""
    published = Published(FOLDER / spec.published)
    given = Given(spec, published, Measured(spec), find_all(published), read_assumed(CONFIG))
    audited = audit(given)
    index = write_audit(given, audited)
    counts = [sum(numbers) for numbers in zip(*(count.verdicts for count in by_table(audited)), strict=True)]
    said = ", ".join(f"{number} {verdict}" for number, verdict in zip(counts, VERDICTS, strict=True) if number)
    print(f"{index}: {said}; {len(given.findings)} findings")


if "snakemake" in globals():
    run_job(main, snakemake, spec=validate(Spec, snakemake.params.spec, "spec of this job"))
elif __name__ == "__main__":
    run_cli(main)
