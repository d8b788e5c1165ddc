"""What is one module each: a method, a grader, a figure, a kind of study, a kind of calibration.

Adding one is adding its file, whose name it has: nobody keeps a list of them.
"""

import importlib
import inspect
from functools import cache
from pathlib import Path
from typing import TypeVar

from l2s.config import suggestion
from l2s.errors import UserError

SCRIPTS = Path(__file__).resolve().parents[1]
Base = TypeVar("Base")


def module_names(package: str) -> list[str]:
    """Return the names of the modules of a package, e.g. ``l2s.analysis.figures``, without loading any."""
    return list(_module_names(package))


@cache  # asked for by every recipe
def _module_names(package: str) -> tuple[str, ...]:
    folder = SCRIPTS.joinpath(*package.split("."))
    return tuple(sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__"))


def module_of(package: str, name: str, where: str, kind: str, kinds: str = "") -> str:
    """Return the full name of the module ``name`` of a package, without loading it.

    Args:
        package: The package.
        name: What somebody asked for.
        where: What the error calls the source of the name.
        kind: What the error calls such a thing, e.g. ``figure``.
        kinds: Its plural, where that is not ``kind`` with an s.

    Raises:
        UserError: There is no such module; names the nearest, or all.
    """
    known = module_names(package)
    if name not in known:
        hint = suggestion(str(name), known, f"the {kinds or f'{kind}s'} are")
        raise UserError(f"{where}: unknown {kind} '{name}'{hint}")
    return f"{package}.{name}"


def class_in(module: str, base: type[Base]) -> type[Base]:
    """Load a module and return the one concrete subclass of ``base`` that it defines.

    Raises:
        UserError: It defines none or several.
    """
    loaded = importlib.import_module(module)
    found = [
        value
        for value in vars(loaded).values()
        if inspect.isclass(value)
        and issubclass(value, base)
        and value.__module__ == module
        and not inspect.isabstract(value)
    ]
    if len(found) != 1:
        raise UserError(f"{loaded.__file__}: must define exactly one concrete {base.__name__}, found {len(found)}")
    return found[0]
