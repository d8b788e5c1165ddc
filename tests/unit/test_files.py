"""Files are read with errors that name them and what to do about them."""

import pytest

from l2s.errors import UserError
from l2s.files import own_folder, read_json


@pytest.mark.parametrize("text", [b"{", b"[1]", b"1", b"\xff", b""])
def test_damaged_json_is_told_with_the_callers_remedy(tmp_path, text):
    path = tmp_path / "sidecar.json"
    path.write_bytes(text)
    with pytest.raises(UserError) as raised:
        read_json(path, "decode again")
    assert str(raised.value).startswith(f"{path}: not valid JSON (")
    assert str(raised.value).endswith("); decode again")


def test_missing_json_is_named(tmp_path):
    with pytest.raises(UserError, match=r"/absent\.json: no such file$"):
        read_json(tmp_path / "absent.json", "decode again")


def test_json_object_is_read_as_utf_8(tmp_path):
    (tmp_path / "a.json").write_text('{"key": "é"}', encoding="utf-8")
    assert read_json(tmp_path / "a.json", "decode again") == {"key": "é"}


def test_own_folder_is_made_for_this_user_alone_and_found_again(tmp_path):
    folder = own_folder(tmp_path / "mine")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert own_folder(folder) == folder


@pytest.mark.parametrize("kind", ["open to others", "link", "file"])
def test_folder_that_others_could_meddle_with_is_refused(tmp_path, kind):
    path = tmp_path / "place"
    if kind == "link":
        path.symlink_to(own_folder(tmp_path / "elsewhere"))
    elif kind == "file":
        path.write_text("")
    else:
        own_folder(path).chmod(0o777)
    with pytest.raises(UserError, match="could meddle"):
        own_folder(path)
