"""A merge's log tells how far it went, beside the task vectors and what was asked for."""

import pyarrow as pa
import pytest

from l2s.contracts.merge_statistics import MERGE_STATISTICS
from l2s.merging.engine.summary import tell_changes
from l2s.merging.sens import Sens
from l2s.merging.ties import Ties


def statistics(merged_norm, changed=0.5):
    """One matrix of norm 100, whose task vector has norm 0.3."""
    values = {"tensor": "w", "layer": 0, "model": 1, "elements": 1000, "base_norm": 100.0, "task_vector_norm": 0.3}
    values |= {"merged_norm": merged_norm, "cosine": 1.0, "changed": changed, "shifts_over_bound": 0.0}
    return pa.Table.from_pylist([values], schema=MERGE_STATISTICS)


def test_the_share_changed_stands_beside_the_share_asked_for(capsys):
    tell_changes(statistics(0.2, changed=0.255), Ties(method="ties", keep_fraction=0.2))
    said = capsys.readouterr().out
    assert "task vectors: 0.30% of the base's norm; the merge moves it by 0.20%" in said
    assert "changed: 25.5% of 1,000 elements (keep_fraction 20.0%, and all" in said


@pytest.mark.parametrize(
    ("values", "merged_norm", "warned"),
    [
        ({}, 2.7, True),
        ({}, 0.4, False),
        ({"variant": "published"}, 2.7, False),
    ],
)
def test_a_base_that_moves_farther_than_its_models_is_warned_of(caplog, values, merged_norm, warned):
    tell_changes(statistics(merged_norm), Sens(method="sens", **values))
    assert ("moves the weights by 2.70% of their norm, where the task vectors are 0.30%" in caplog.text) == warned
    assert ("the released formula also shrinks the base" in caplog.text) == warned
