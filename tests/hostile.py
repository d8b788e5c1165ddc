"""What tests of hostile and careless input share: a refusal is one line that says what is wrong, and makes no file."""

import hashlib
import re
from contextlib import contextmanager

import pytest

from l2s.errors import UserError


def files_below(folder):
    """Return every file below a folder with the digest of its bytes; of what is no plain file, nothing is read."""
    paths = [path for path in sorted(folder.rglob("*")) if not path.is_dir()]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None for path in paths}


@contextmanager
def refused(message, folder=None):
    """Expect a UserError of one line that holds the regular expression, and no file of the folder made or changed."""
    before = files_below(folder) if folder else None
    with pytest.raises(UserError) as error:
        yield
    said = str(error.value)
    assert re.search(message, said), said
    assert "\n" not in said and "Traceback" not in said, said
    if folder:
        assert files_below(folder) == before
