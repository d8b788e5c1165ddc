"""Which part of the library may import which: never one of a floor above, and no stage another stage."""

import pytest
from support import ROOT

from l2s.provenance import imported_files

SCRIPTS = ROOT / "scripts"
PACKAGE = SCRIPTS / "l2s" / "__init__.py"  # belongs to no part: it holds no code
# The stages: each turns files into files and knows no other.
STAGES = ["l2s.calibration", "l2s.merging", "l2s.training", "l2s.decoding", "l2s.grading", "l2s.analysis", "l2s.demo"]
# From the ground up. Except for the stages, parts of the same floor may import each other.
FLOORS = [
    [
        "l2s.config",
        "l2s.config_option",
        "l2s.errors",
        "l2s.files",
        "l2s.gpus",
        "l2s.jobs",
        "l2s.limits",
        "l2s.methods",
        "l2s.modules",
        "l2s.occupied",
        "l2s.progress",
        "l2s.provenance",
        "l2s.secrets",
        "l2s.yaml_files",
    ],
    ["l2s.contracts"],
    ["l2s.checkpoints"],
    ["l2s.layout", "l2s.sources"],
    STAGES,
    ["l2s.pages"],
    ["l2s.search"],
    ["l2s.experiment"],
    [
        "l2s.audit",
        "l2s.crate",
        "l2s.decode_options",
        "l2s.plan",
        "l2s.shorten",
        "l2s.unused",
        "l2s.reference",
        "l2s.steps",
    ],
]
HEIGHTS = {part: height for height, floor in enumerate(FLOORS) for part in floor}


def part_of(file):
    """Return the part of the library that a file belongs to: a name in FLOORS."""
    module = ".".join(file.relative_to(SCRIPTS).with_suffix("").parts)
    (part,) = [part for part in HEIGHTS if f"{module}.".startswith(f"{part}.")]
    return part


def refused(part, file):
    """Return the parts that a file imports, at its top or inside a function, and must not as a file of ``part``."""
    names = {part_of(found) for found in imported_files(file) if found != PACKAGE}
    stages = set(STAGES) - {part} if part in STAGES else set()
    return {name for name in names if HEIGHTS[name] > HEIGHTS[part] or name in stages}


def test_no_module_imports_a_floor_above_or_another_stage():
    files = set(PACKAGE.parent.rglob("*.py")) - {PACKAGE}
    assert len(files) > 50
    assert {str(file): broken for file in files if (broken := refused(part_of(file), file))} == {}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from l2s.decoding.store import ResponseStore", {"l2s.decoding"}),
        ("def f():\n    import l2s.grading.grades", {"l2s.grading"}),
        ("from l2s import grading, gpus", {"l2s.grading"}),
        ("from l2s.experiment.sweeps import expand", {"l2s.experiment"}),
        ("from l2s.checkpoints.tensors import digest_tensors\nfrom l2s.merging import ties\nimport torch", set()),
    ],
)
def test_import_that_breaks_a_rule_is_found(tmp_path, source, names):
    (tmp_path / "new.py").write_text(source)
    assert refused("l2s.merging", tmp_path / "new.py") == names
