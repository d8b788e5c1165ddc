"""What code a step depends on: the digest that makes exactly the stale work run again.

Snakemake tracks neither the modules that a script imports nor the difference between a touched and an edited file. So
every rule passes ``code_digest(script)`` as a parameter: a hash over the script and every module of this library that
it reaches by import, found statically, over their tokens without comments and docstrings. It is the same with every
version of Python: responses are kept under such a digest, and a node with a newer one must find them.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
PACKAGE = Path(__file__).resolve().parent.name
SILENT_TOKENS = {"COMMENT", "NL", "ENCODING", "ENDMARKER"}


def code_digest(script: str, also: Iterable[str] = ()) -> str:
    """Return the digest of a script's code.

    Args:
        script: File name under ``scripts/``, e.g. ``merge.py``.
        also: Modules that the script loads by name and that no import statement shows, e.g. ``l2s.merging.ties``.

    Returns:
        16 hex digits that change when the code changes and stay when a comment or docstring does.
    """
    return _digest_of_script(script, tuple(also))


@cache  # every job asks, a sweep thousands of times
def _digest_of_script(script: str, also: tuple[str, ...]) -> str:
    return _digest_of_all({SCRIPTS / script, *(_module_file(name) for name in also)})


def reached_digest(module: str) -> str:
    """Return the digest of a module and of all that it reaches by import, 16 hex digits."""
    return _digest_of_all({_module_file(module)})


def _digest_of_all(files: set[Path]) -> str:
    """Return the digest of files and of all that they reach by import."""
    pending = list(files)
    while pending:
        for found in imported_files(pending.pop()) - files:
            files.add(found)
            pending.append(found)
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.relative_to(SCRIPTS)} {_token_digest(file)}\n".encode())
    return digest.hexdigest()[:16]


def module_digest(name: str) -> str:
    """Return the digest of one module's own code, 16 hex digits; what it imports does not count."""
    return _token_digest(_module_file(name))[:16]


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages that decide a result, so that another version makes it stale.

    What is installed counts; where a package is not (a machine that only starts jobs), what the lock says. A build's
    own part (``+cpu``) is left out, as such a machine may have another build than those that work.
    """
    return {name: _installed_version(name) or _locked_versions().get(name, "unknown") for name in names}


@cache  # takes 2 ms
def _installed_version(package: str) -> str | None:
    for name in (package, f"{package}-cpu"):  # vLLM's build for CPUs is distributed under another name
        try:
            return version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
    return None


@cache
def _locked_versions() -> dict[str, str]:
    lines = (SCRIPTS.parent / "envs" / "cuda.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line)


@cache
def imported_files(file: Path) -> frozenset[Path]:
    """Return the files of this library that ``file`` imports, the ``__init__`` of their packages included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{file}: relative imports are not followed; write 'from {PACKAGE}.… import …'")
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    files: set[Path] = set()
    for name in names:
        parts = name.split(".")
        if parts[0] == PACKAGE:
            files.update(_existing(".".join(parts[: end + 1])) for end in range(len(parts)))
    return frozenset(files - {None})


def _existing(name: str) -> Path | None:
    try:
        return _module_file(name)
    except FileNotFoundError:
        return None  # the last part is a name inside a module, not a module


def _module_file(name: str) -> Path:
    stem = SCRIPTS.joinpath(*name.split("."))
    for file in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
        if file.is_file():
            return file
    raise FileNotFoundError(f"no module {name} under {SCRIPTS}")


@cache
def _token_digest(file: Path) -> str:
    source = file.read_text(encoding="utf-8")
    docstrings = _docstring_lines(source)
    digest = hashlib.sha256()
    after_docstring = False
    for kind, text, start in _tokens(source):
        silent = kind in SILENT_TOKENS or (after_docstring and kind == "NEWLINE")
        after_docstring = kind == "STRING" and start in docstrings
        if silent or after_docstring:
            continue
        # The kind of an indentation counts, its width does not.
        digest.update(f"{kind}\0{'' if kind in ('INDENT', 'NEWLINE') else text}\0".encode())
    return digest.hexdigest()


def _tokens(source: str) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """Yield (kind, text, start) of each token; an f-string is one, though Python 3.12 and later take it apart."""
    lines = source.splitlines(keepends=True)
    opened: list[tuple[int, int]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "FSTRING_START":
            opened.append(token.start)
        elif kind == "FSTRING_END":
            (line, column), (last, end) = opened.pop(), token.end
            if not opened:
                inside = [*lines[line - 1 : last - 1], lines[last - 1][:end]]
                yield "STRING", "".join(inside)[column:], (line, column)
        elif not opened:
            yield kind, token.string, token.start


def _docstring_lines(source: str) -> set[tuple[int, int]]:
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    starts: set[tuple[int, int]] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None:
            starts.add((node.body[0].lineno, node.body[0].col_offset))
    return starts
