"""What is shown or written: no token, no markup of a name's own, no more rights than the user's umask grants."""

import io
import os
import subprocess
import sys

import pandas as pd
import pytest
from support import ROOT, TOKEN

from l2s import secrets
from l2s.analysis.render_table import write_latex, write_markdown
from l2s.secrets import HIDDEN, Hiding, known_tokens, without_tokens

PRINTS = """
import sys
sys.path.insert(0, {scripts!r})
from l2s.errors import UserError
from l2s.jobs import run_cli

def main() -> None:
    print("header echoed: Bearer {token}")
    print("header echoed: Bearer {token}", file=sys.stderr)
    {end}

run_cli(main)
"""
ENDS = {
    "a user's mistake": 'raise UserError("403: Bearer {token}")',
    "a fault": 'raise ValueError("403: Bearer {token}")',
    "an exit": 'sys.exit("403: Bearer {token}")',
    "a warning": 'import logging; logging.getLogger("l2s.x").warning("403: Bearer {token}")',
}


@pytest.fixture
def token(monkeypatch, tmp_path):
    """An access token in the environment."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    return TOKEN


@pytest.mark.parametrize("end", ENDS)
def test_a_token_is_hidden_however_a_script_ends(tmp_path, end):
    text = PRINTS.format(scripts=str(ROOT / "scripts"), token=TOKEN, end=ENDS[end].format(token=TOKEN))
    (tmp_path / "script.py").write_text(text)
    environment = {**os.environ, "HF_TOKEN": TOKEN}
    command = [sys.executable, tmp_path / "script.py"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert f"Bearer {HIDDEN}" in done.stdout
    said = done.stderr.replace(f'"403: Bearer {TOKEN}"', "")  # a traceback quotes the script itself
    assert TOKEN not in done.stdout + said
    assert f"Bearer {HIDDEN}" in said


def test_a_token_of_who_has_logged_in_is_hidden(monkeypatch, tmp_path):
    for name in secrets.NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert known_tokens() == [TOKEN]
    assert without_tokens(f"x{TOKEN}x{TOKEN}") == f"x{HIDDEN}x{HIDDEN}"


def test_a_stream_hides_tokens_and_is_the_stream_in_everything_else(token):
    stream = io.StringIO()
    hiding = Hiding(stream)
    assert hiding.write(f"a{token}b") == len(token) + 2
    hiding.writelines([token, "c"])
    assert stream.getvalue() == f"a{HIDDEN}b{HIDDEN}c"
    assert not hiding.closed


@pytest.mark.parametrize("value", ["", "x", "short"])
def test_a_word_that_is_no_token_hides_nothing(monkeypatch, tmp_path, value):
    monkeypatch.setenv("HF_TOKEN", value)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert without_tokens(f"a short {value} text") == f"a short {value} text"


# ---- names as markup


NAMES = [
    "</script><script>document.title='evil'</script>",
    "<img src=x onerror=document.title='evil'>",
    "<svg onload=document.title='evil'>",
    "[click](javascript:document.title='evil')",
    "![x](http://127.0.0.1/evil)",
    "a | b",
    "`code`",
    "two\nlines",
    r"\input{/etc/passwd}",
    r"\write18{touch evil}",
    "$x$ & 100% # _ {",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stays_text_in_tables_of_markdown_and_latex(tmp_path, name):
    table = pd.DataFrame({"Model": [name, "b"], "Length": ["1 [0, 2]", "2"]})
    write_markdown([table], name, "note", tmp_path / "t.md")
    write_latex(table, name, tmp_path / "t.tex")
    markdown, latex = ((tmp_path / f"t.{suffix}").read_text() for suffix in ("md", "tex"))
    assert not any(tag in markdown for tag in ("<script", "<img", "<svg", "](java", "](http"))
    assert len(markdown.splitlines()) == 8
    assert "1 [0, 2]" in markdown
    assert r"\input{" not in latex and r"\write18{" not in latex


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o022, 0o027, 0o077])
def test_files_and_folders_have_the_rights_that_the_umask_grants(tmp_path, mask):
    text = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT / "scripts")!r})
os.umask({mask})
from l2s.files import atomic_folder, write_text
write_text(Path("file"), "x")
with atomic_folder(Path("folder")) as folder:
    (folder / "inside").write_text("x")
"""
    subprocess.run([sys.executable, "-c", text], cwd=tmp_path, check=True)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("file", "folder", "folder/inside")]
    assert modes == [0o666 & ~mask, 0o777 & ~mask, 0o666 & ~mask]
