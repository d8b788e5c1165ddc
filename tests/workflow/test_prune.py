"""`snakemake prune` finds what no study uses any more, deletes it when told to, and nothing else."""

from collections import Counter


def test_prune_deletes_what_no_study_uses_and_nothing_else(demo):
    assert "not used by any configured study: 0 items" in demo.run("--", "prune")
    demo.edit("config/studies/demo.yaml", "  - {recipe: aim, calibration_data: demo}\n", "")
    left = demo.folder / "results/demo/checkpoints/demo/ties/.old~1.host.1.x.partial"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    listed = [line.split()[-1] for line in demo.run("--", "prune").splitlines() if " MB  results/" in line]
    kinds = Counter(path.split("/")[2] for path in listed)
    assert kinds == {"calibrations": 1, "checkpoints": 2, "grades": 1, "pages": 1, "responses": 1, "store": 2}
    assert all((demo.folder / path).exists() for path in listed)
    demo.run("--config", "prune=delete", "--", "prune")
    assert not any((demo.folder / path).exists() for path in listed)
    demo.run()
    assert demo.stale() == []


def test_prune_refuses_a_wrong_word(demo):
    done = demo.snakemake("--config", "prune=remove", "--", "prune")
    assert done.returncode != 0
    assert "key 'prune'" in done.stdout
