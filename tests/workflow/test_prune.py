"""`snakemake prune` finds what no study uses any more, deletes it when told to, and nothing else."""


def test_prune_deletes_what_no_study_uses_and_nothing_else(demo):
    assert "not used by any configured study: 0 items" in demo.run("--", "prune")
    demo.edit("config/studies/demo.yaml", "  - {recipe: aim, samples: demo}\n", "")
    listed = [line.split()[-1] for line in demo.run("--", "prune").splitlines() if " MB  results/" in line]
    kinds = sorted(path.split("/")[2] for path in listed)
    assert kinds == ["calibration", "calibration", "checkpoints", "grades", "responses", "responses", "store"]
    assert all((demo.folder / path).exists() for path in listed)
    demo.run("--config", "prune=delete", "--", "prune")
    assert not any((demo.folder / path).exists() for path in listed)
    demo.run()
    assert demo.stale() == []


def test_prune_refuses_a_wrong_word(demo):
    done = demo.snakemake("--config", "prune=remove", "--", "prune")
    assert done.returncode != 0
    assert "key 'prune'" in done.stdout
