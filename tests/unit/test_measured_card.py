"""A model card with what a study measured."""

import pytest
import yaml
from huggingface_hub import ModelCard

from l2s.analysis.measured_card import measured_of
from l2s.checkpoints.manifest import Manifest, Parent
from l2s.checkpoints.model_card import model_card
from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.parquet import table_of
from l2s.contracts.table import TABLE
from l2s.errors import UserError

MERGE = "pair/ties/scale=1~01234567"
DECODING = {"settings": {"engine": "vllm", "max_new_tokens": 8192, "device": "cuda"}, "prompt": {"template": "Q: {q}"}}
SLOW = f"team/slow@{'2' * 40}"
"""A parent on the hub; the other lies in a folder of this machine."""


def line(schema, **values):
    """Return a line with the given values, and null or a stand-in where the column must have one."""
    stand_ins = {"string": "", "int32": 0, "double": 0.25, "bool": False}
    blank = {field.name: None if field.nullable else stand_ins[str(field.type)] for field in schema}
    return {**blank, **values}


@pytest.fixture
def table():
    lines = [
        line(TABLE, grader="strict", pair="pair", method=method, recipe=name, checkpoint=checkpoint, benchmark="gsm8k")
        | {"questions": 400, "accuracy": accuracy, "mean_tokens": tokens, "length_change": tokens / 400 - 1}
        | {"accuracy_low": accuracy - 0.03, "accuracy_high": accuracy + 0.02}
        | {"truncated": 0.25 if method == "ties" else None}
        for method, name, checkpoint, accuracy, tokens in [
            ("quick", "quick", "models/quick", 0.5, 100.0),
            ("slow", "slow", "models/slow", 0.9, 400.0),
            ("ties", "ties, scale 1", MERGE, 0.875, 200.0),
        ]
    ]
    other = {**lines[2], "accuracy": 0.1}
    return table_of(
        [
            *lines,
            {**other, "grader": "lenient"},
            {**other, "read_at": 64},
            {**other, "budget": 64},
            {**other, "level": 3},
        ],
        TABLE,
    )


@pytest.fixture
def comparisons():
    shared = {"checkpoint": MERGE, "pair": "pair", "against": "models/slow", "benchmark": "gsm8k"}
    shown = {"against_is": "reference", "verdict": "shown", "allowed_loss": 0.05, "loss_bound": 0.041}
    best = {**shown, "against_is": "best", "verdict": None}
    graders = [{**shown, "grader": "strict"}, {**best, "grader": "strict"}, {**shown, "grader": "lenient"}]
    return table_of([line(COMPARISONS, **shared, **values) for values in graders], COMPARISONS)


@pytest.fixture
def card(table, comparisons):
    recipe = {"method": "ties", "base": "/home/me/models/quick", "models": ["/home/me/models/quick", SLOW]}
    parents = [Parent(used_as="base", source="/home/me/models/quick"), Parent(used_as="model", source=SLOW)]
    files = {"content_id": "c" * 64, "tensors": {}, "files": {}}
    measured = measured_of(MERGE, table, comparisons, DECODING, {"gsm8k": "openai/gsm8k"})
    return ModelCard(model_card(Manifest(kind="merged", recipe=recipe, parents=parents, **files), measured))


def test_a_card_shows_accuracy_and_length_with_intervals_beside_quick_and_slow(card):
    assert "| gsm8k | ties, scale 1 | 400 | 87.5% [84.5%, 89.5%] | 200.0 [0.2, 0.2] | -50.0% | 25.0% |" in card.text
    assert "| gsm8k | quick | 400 | 50.0% [47.0%, 52.0%] | 100.0 [0.2, 0.2] | -75.0% |  |" in card.text
    assert "| gsm8k | slow | 400 | 90.0%" in card.text
    assert card.text.count("| gsm8k |") == 3
    assert "graded by `strict`" in card.text


def test_a_card_gives_the_verdict_against_the_reference_and_the_decode_settings(card):
    assert card.text.count("accuracy is lost against models/slow is **shown**; the loss is at most 4.1%") == 1
    settings = yaml.safe_load(card.text.split("Decode settings:\n\n```yaml\n")[1].split("```")[0])
    assert settings == {"engine": "vllm", "max_new_tokens": 8192, "prompt": {"template": "Q: {q}"}}


def test_the_hub_reads_the_results_under_the_models_name(card):
    (model,) = card.data.to_dict()["model-index"]
    assert model["name"] == "quick + slow (ties)"
    assert card.text.lstrip().startswith("# quick + slow (ties)\n")
    (result,) = model["results"]
    assert result["dataset"] == {"name": "gsm8k", "type": "openai/gsm8k"}
    assert {metric["type"]: metric["value"] for metric in result["metrics"]} == {"accuracy": 0.875, "length": 200.0}
    assert card.data.base_model == ["team/slow"]


def test_a_card_names_no_folder_of_the_machine(card):
    assert "/home/me" not in str(card)


def test_a_checkpoint_that_the_study_did_not_measure_is_refused(table, comparisons):
    with pytest.raises(UserError, match="no line of pair/dare/x; it has models/quick, models/slow"):
        measured_of("pair/dare/x", table, comparisons, DECODING, {})
