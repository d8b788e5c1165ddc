"""An entry that extends another one has its keys too, its own keys replace them, and circles are refused."""

import pytest
import yaml

from l2s.config import read_values
from l2s.errors import UserError


@pytest.fixture
def folder(tmp_path):
    def write(**entries):
        for name, values in entries.items():
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values))
        return tmp_path

    return write


def test_own_keys_replace_inherited_ones_as_a_whole_over_several_steps(folder):
    entries = folder(
        first={"method": "aim", "omega": 0.4, "of": {"method": "ties", "scale": 1.0}},
        second={"extends": "first", "of": {"method": "ties"}},
        third={"extends": "second", "omega": 0.5},
    )
    assert read_values(entries / "third.yaml") == {"method": "aim", "omega": 0.5, "of": {"method": "ties"}}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"a": {"extends": "a"}}, r"a.yaml: key 'extends': an entry cannot extend itself \(a > a\); remove one"),
        ({"a": {"extends": "b"}, "b": {"extends": "c"}, "c": {"extends": "b"}},
         r"c.yaml: key 'extends': an entry cannot extend itself \(b > c > b\)"),
        ({"a": {"extends": "bb"}, "bbb": {}}, r"a.yaml: key 'extends': 'bb' is unknown: .*did you mean 'bbb'"),
        ({"a": {"extends": ["b"]}, "b": {}}, r"a.yaml: key 'extends': expected the name of one entry .*\['b'\]"),
        ({"a": {"extends": "b"}, "b": [1]}, r"a.yaml: key 'extends': .*b.yaml holds no mapping"),
    ],
)  # fmt: skip
def test_what_cannot_be_extended_is_named_by_file_and_key(folder, entries, message):
    with pytest.raises(UserError, match=message) as caught:
        read_values(folder(**entries) / "a.yaml")
    assert "\n" not in str(caught.value)
