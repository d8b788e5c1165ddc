"""The Slurm profile takes the place of the default one, and Snakemake tells of no mistake in its table."""

import re

import yaml
from support import ROOT


def profile(name):
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


def test_slurm_profile_repeats_what_the_default_one_says():
    default = profile("default")
    # For one machine; a cluster's GPUs and cores are its own business.
    assert default.pop("resources") == ["gpu=1"]
    assert default.pop("cores") == "all"
    assert default.items() <= profile("slurm").items()


def test_every_rule_of_the_table_is_there_and_those_with_gpus_go_to_their_partition():
    text = "".join(file.read_text() for file in sorted(ROOT.glob("workflow/rules/*.smk")))
    rules = dict(re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", text, re.M | re.S))
    table = profile("slurm")["set-resources"]
    assert table.keys() <= rules.keys()
    # Merges ask for a GPU only if the configuration says so, and never by themselves on a cluster.
    assert {rule for rule, block in rules.items() if "gpu=" in block} - {"merge"} == {
        rule for rule, asked in table.items() if asked.get("slurm_partition") == "gpu"
    }
