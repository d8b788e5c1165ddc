"""How scripts tell a mistake: by hand and as jobs, one line that names the path, and no traceback."""

import errno
import os
import re
import subprocess
import sys

import pytest
from support import ROOT

from l2s.errors import UserError
from l2s.jobs import clear_path_errors

ENTRY = ROOT / "config" / "benchmarks" / "demo_arithmetic.yaml"


def by_hand(entry, out):
    command = [sys.executable, str(ROOT / "scripts" / "load_questions.py"), "--entry", str(entry), "--out", str(out)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_path_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for out, reason in [("file/x.parquet", "(Not a directory|File exists)"), ("folder", "Is a directory")]:
        done = by_hand(ENTRY, tmp_path / out)
        assert done.returncode == 1
        assert re.fullmatch(f"error: {tmp_path}/{out.split('/')[0]}.*: {reason}; .*\n", done.stderr)


def test_entry_that_is_a_folder_is_told_in_one_line(tmp_path):
    done = by_hand(tmp_path, tmp_path / "out.parquet")
    assert (done.returncode, done.stderr) == (1, f"error: {tmp_path}: Is a directory; name a file\n")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/a/b"), "^/a/b: Read-only file system; choose another place$"),
        (OSError(errno.EACCES, "Permission denied", "/a"), "^/a: Permission denied; change its permissions or choose"),
        (OSError(errno.EISDIR, "Is a directory", "/a.partial", None, "/a"), "^/a: Is a directory; name a file$"),
        (OSError(errno.ENOSPC, "No space left on device"), "^No space left on device; make room and run again$"),
    ],
)
def test_faults_of_paths_and_disks_are_told_with_a_remedy(error, message):
    with pytest.raises(UserError, match=message), clear_path_errors():
        raise error


def test_any_other_fault_stays_what_it_is():
    with pytest.raises(ConnectionResetError), clear_path_errors():
        raise ConnectionResetError(errno.ECONNRESET, "reset")


def unpinned(folder):
    entry = folder / "mine.yaml"
    entry.write_text(re.sub("sha256: .*", "", ENTRY.read_text()))
    return entry, re.search("sha256: .*", ENTRY.read_text())[0]


def test_rows_without_sha256_are_read_with_a_warning_that_gives_the_line_to_paste(tmp_path):
    entry, line = unpinned(tmp_path)
    done = by_hand(entry, tmp_path / "out.parquet")
    assert done.returncode == 0 and (tmp_path / "out.parquet").is_file()
    assert re.fullmatch(f"warning: {entry} .*: UNPINNED: .* pin them with the line '{line}'\n", done.stderr)
    with entry.open("a") as stream:
        stream.write(line)
    assert by_hand(entry, tmp_path / "out.parquet").stderr == ""


def as_job(code):
    """Run Python code as a job whose log is job.log."""
    code = f"from types import SimpleNamespace as Job\nfrom l2s.jobs import run_job\n{code}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)


def test_job_warns_in_its_log_and_in_the_terminal_and_goes_on(tmp_path):
    code = f"""
import logging
def main():
    logging.getLogger("l2s.any").warning("%s is unpinned", "it")
    print("went on")
run_job(main, Job(log=[{str(tmp_path / "job.log")!r}], config={{"results": "none"}}))
"""
    done = as_job(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "warning: it is unpinned\n")
    assert (tmp_path / "job.log").read_text() == "warning: it is unpinned\nwent on\n"


def test_job_tells_it_in_its_log_and_in_the_terminal(tmp_path):
    job = f"Job(log=[{str(tmp_path / 'job.log')!r}], config={{'results': 'none'}})"
    code = f"run_job(lambda: open({str(tmp_path)!r}, 'w'), {job})"
    done = as_job(code)
    told = f"error: {tmp_path}: Is a directory; name a file\n"
    assert (done.returncode, done.stderr, (tmp_path / "job.log").read_text()) == (1, told, told)
