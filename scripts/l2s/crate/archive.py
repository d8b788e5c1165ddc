"""A results folder as a ZIP file without weights, which can be verified and worked on elsewhere.

Unpacked over a copy of the project, it continues: Snakemake's records of the outputs go along, so that nothing is
stale, and grades, tables and figures can be made again. The same results give the same archive, byte for byte.
"""

import base64
import binascii
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from l2s.config import PROJECT
from l2s.crate.covered import covered_files
from l2s.errors import UserError
from l2s.files import atomic_path
from l2s.layout import CRATE, CRATE_DIGEST

METADATA = Path(".snakemake/metadata")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that the format knows
READABLE = 0o100644 << 16  # a plain file that everyone may read, where ZIP keeps it
RECORDED_APART = ("logs", "timings")


def archive(results: Path, out: Path) -> int:
    """Write the archive of a results folder, and return how many files it holds.

    Args:
        results: The folder, which must have a crate.
        out: The ZIP file.

    Raises:
        UserError: There is no crate.
    """
    if not (results / CRATE).is_file():
        raise UserError(f"{results / CRATE}: no such file; run the workflow, which writes it")
    inside = results.resolve()
    place = inside.relative_to(PROJECT) if inside.is_relative_to(PROJECT) else Path(inside.name)
    kept = [file.path for file in covered_files(results) if not file.is_cache]
    apart = [path for name in RECORDED_APART for path in (results / name).rglob("*") if path.is_file()]
    names = [CRATE, CRATE_DIGEST, *kept, *(str(path.relative_to(results)) for path in apart)]
    members = {str(place / name): results / name for name in names}
    members |= {str(path.relative_to(PROJECT)): path for path in _records(results, set(names))}
    with atomic_path(out) as partial, zipfile.ZipFile(partial, "w") as file:
        for name in sorted(members):
            _add(file, name, members[name])
    return len(members)


def _add(file: zipfile.ZipFile, name: str, path: Path) -> None:
    member = zipfile.ZipInfo(name, EPOCH)
    member.external_attr, member.create_system = READABLE, 3
    member.compress_type = zipfile.ZIP_DEFLATED
    member.file_size = path.stat().st_size
    with path.open("rb") as source, file.open(member, "w") as target:
        shutil.copyfileobj(source, target)


def _records(results: Path, names: set[str]) -> Iterator[Path]:
    """Yield Snakemake's records of files of the archive; it names a record by the output's path in base64."""
    outputs = {f"{results}/{name}" for name in names} | {f"{results.resolve()}/{name}" for name in names}
    folder = PROJECT / METADATA
    for path in sorted(folder.rglob("*")):
        # A long name is cut, and the parts become folders that begin with "@".
        encoded = "".join(part.removeprefix("@") for part in path.relative_to(folder).parts)
        try:
            output = base64.urlsafe_b64decode(encoded).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
        if path.is_file() and output in outputs:
            yield path
