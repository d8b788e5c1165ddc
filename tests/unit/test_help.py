"""``--help`` explains every option of every script, its default included."""

import importlib.util
import inspect

import pytest
import typer
from support import ROOT

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))


def command_of(path):
    """Return a script's main, and the command line that is made of it."""
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = typer.Typer(add_completion=False)
    app.command()(module.main)
    return module.main, typer.main.get_command(app)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_option_is_explained_with_its_default(path):
    main, command = command_of(path)
    assert command.params and inspect.getdoc(main)
    for option in command.params:
        name = option.opts[0]
        assert option.help and option.help[0].isupper() and option.help.endswith("."), f"{name}: {option.help}"
        shown = option.required or (option.default is not None and option.default is not False)
        # Else the text says the default, or what the option goes with.
        said = any(words in option.help for words in ("Default: ", "In place of ", "With --"))
        assert shown or said or name in inspect.getdoc(main), f"{name} has a default that its help does not say"
