"""The rehearsal: the paper's tables at full shape, over real questions, with tiny models from a mirror of the hub."""

import shutil

import pytest
from hub_mirror import COMMIT, HubMirror
from project import new_project
from support import DEMO

from l2s.contracts.parquet import read_table
from l2s.contracts.table import TABLE

REHEARSED = "REHEARSAL on tiny models, not a result"


@pytest.fixture(scope="module")
def rehearsal(real_data, tmp_path_factory):
    """Run table 2 with models that a mirror serves; return the project's folder and the mirror's requests."""
    folder = tmp_path_factory.mktemp("rehearsal")
    project = new_project(folder / "project")
    for side in ("quick", "slow"):
        shutil.copytree(DEMO / side, folder / "hub" / "demo" / side)
        entry = f"models/demo-{side}.yaml"
        source = f"repo: demo/{side}\nrevision: '{COMMIT}'"
        project.edit(f"config/{entry}", f"path: workflow/resources/demo/{side}", source)
    with HubMirror(folder / "hub", COMMIT) as hub:
        environment = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_XET": "1"}
        files = f"benchmark_files={real_data / 'benchmarks'}"
        project.run("--config", files, "--", "table_2", config="config/rehearsal.yaml", **environment)
    return project.folder / "results" / "rehearsal", hub


def test_models_are_downloaded_from_the_hub(rehearsal):
    _, hub = rehearsal
    fetched = {path for _, path, _ in hub.requests if path.endswith("model.safetensors")}
    assert {path.split("/")[2] for path in fetched} == {"quick", "slow"}


def test_the_table_has_the_papers_rows_and_columns(rehearsal):
    results, _ = rehearsal
    table = (results / "tables" / "table_2.md").read_text().split("\n\n")[1].splitlines()
    names = [cell.strip() for cell in table[0].strip("|").split("|")]
    assert names == ["Model", "gsm8k", "math500", "aime24", "Avg.", "Length"]
    # Seven models, five of them merged ones with a second line for a context length of 4,096; header and rule.
    assert len(table) == 7 + 5 + 2
    lines = read_table(results / "tables" / "table_2.parquet", TABLE).to_pylist()
    assert {line["questions"] for line in lines if line["benchmark"] == "gsm8k"} == {8}


def test_every_page_says_that_it_is_a_rehearsal(rehearsal):
    results, _ = rehearsal
    kinds = ("tables", "figures", "pages/checkpoints")
    pages = [results / "index.html", *(path for kind in kinds for path in results.glob(f"{kind}/**/*.html"))]
    assert len(pages) > 5
    for page in [*pages, *results.glob("tables/*.md"), *results.glob("tables/*.tex")]:
        assert REHEARSED in page.read_text(), page
