"""The option --configfile of commands that are about a whole configuration."""

from typing import Annotated, Any

import typer

from l2s.config import read_yaml

ConfigFile = Annotated[
    Any, typer.Option("--configfile", parser=read_yaml, metavar="FILE", help="Top-level configuration.")
]
PAPER = "config/config.yaml"
"""What it is where nobody says."""
