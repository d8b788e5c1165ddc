"""Methods are modules: a recipe names one, and it defines one class whose fields are the hyper-parameters."""

import importlib
import inspect
from pathlib import Path
from typing import Any, TypeVar

from l2s.config import StrictModel, suggestion
from l2s.errors import UserError

LIBRARY = Path(__file__).resolve().parent
Method = TypeVar("Method", bound=StrictModel)


def method_names(stage: str) -> list[str]:
    """Return the names of a stage's methods: the modules beside its engine.

    Args:
        stage: ``merging`` or ``training``.
    """
    return sorted(file.stem for file in (LIBRARY / stage).glob("*.py") if file.stem != "__init__")


def method_class(stage: str, base: type[Method], name: Any, where: str) -> type[Method]:
    """Return the one concrete ``base`` that the module ``l2s.<stage>.<name>`` defines.

    Raises:
        UserError: There is no such module, or it defines none or several.
    """
    known = method_names(stage)
    if name not in known:
        raise UserError(f"{where}: unknown method '{name}'{suggestion(str(name), known, 'the methods are')}")
    module = importlib.import_module(f"l2s.{stage}.{name}")
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, base)
        and value.__module__ == module.__name__
        and not inspect.isabstract(value)
    ]
    if len(found) != 1:
        raise UserError(f"{module.__file__}: must define exactly one concrete {base.__name__}, found {len(found)}")
    return found[0]
