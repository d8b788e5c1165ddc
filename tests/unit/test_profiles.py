"""The Slurm profile takes the place of the default one, and Snakemake tells of no mistake in its table."""

import re

import yaml
from support import ROOT


def profile(name):
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


def test_slurm_profile_repeats_what_the_default_one_says():
    default = profile("default")
    assert default.pop("resources") == ["gpu=1"]  # for one machine; a cluster's GPUs are its own business
    assert default.items() <= profile("slurm").items()


def test_every_rule_of_the_table_is_there():
    rules = {
        rule
        for file in ROOT.glob("workflow/rules/*.smk")
        for rule in re.findall(r"^rule (\w+):", file.read_text(), re.M)
    }
    assert profile("slurm")["set-resources"].keys() <= rules
