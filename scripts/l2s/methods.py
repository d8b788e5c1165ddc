"""Methods are modules: a recipe names one, and it defines one class whose fields are the hyper-parameters."""

from typing import Any, TypeVar

from l2s.config import StrictModel
from l2s.modules import class_in, module_names, module_of

Method = TypeVar("Method", bound=StrictModel)


def method_names(stage: str) -> list[str]:
    """Return the names of a stage's methods: the modules beside its engine.

    Args:
        stage: ``merging`` or ``training``.
    """
    return module_names(f"l2s.{stage}")


def method_class(stage: str, base: type[Method], name: Any, where: str) -> type[Method]:
    """Return the one concrete ``base`` that the module ``l2s.<stage>.<name>`` defines.

    Raises:
        UserError: There is no such module, or it defines none or several.
    """
    return class_in(module_of(f"l2s.{stage}", name, where, "method"), base)
