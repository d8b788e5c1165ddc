"""Writing a page: one HTML file that carries its style and its scripts, so that it opens from disk without a network.

Templates lie in ``templates/`` and extend ``base.html.j2``; what they show is escaped unless a template says otherwise,
which only our own style and scripts may.
"""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, meta, nodes
from markupsafe import Markup

from l2s.files import digest_of, write_text

HERE = Path(__file__).parent


def render(
    template: str, out: Path, *, results: Path | None = None, trail: Sequence[tuple[str, str]] = (), **values: Any
) -> None:
    """Write a page.

    Args:
        template: Name of the template, e.g. ``index.html.j2``.
        out: The file to write.
        results: The results folder that the page belongs to; None: it stands alone and links nowhere. Templates see
            ``root``, the relative path from the page to this folder (or None).
        trail: The pages above this one: names, and paths relative to the results folder.
        values: What the template shows; ``title`` is the page's title.
    """
    root = None if results is None else os.path.relpath(results, out.parent)
    page = _environment().get_template(template)
    write_text(out, page.render(root=root, trail=trail, **values) + "\n")


def href(path: str) -> str:
    """Return a relative path as a link has it: special characters such as ``#`` and ``%`` are quoted."""
    return quote(path, safe="/~+=,@!$()*;:")


def page_digest(template: str) -> str:
    """Return the digest of all that a page's looks depend on: its template, those that it extends or imports, and the
    assets that these show. It is for the parameters of rules."""
    environment, read = _environment(), {}
    pending = [f"templates/{template}"]
    while pending:
        name = pending.pop()
        read[name] = (HERE / name).read_text(encoding="utf-8")
        if name.startswith("templates/"):
            tree = environment.parse(read[name])
            found = [f"templates/{other}" for other in meta.find_referenced_templates(tree)]
            found += [f"assets/{call.args[0].as_const()}" for call in tree.find_all(nodes.Call) if _is_asset(call)]
            pending += [other for other in found if other not in read]
    return digest_of(read)[:16]


def _is_asset(call: nodes.Call) -> bool:
    return isinstance(call.node, nodes.Name) and call.node.name == "asset"


@cache
def asset(name: str) -> Markup:
    """Return our own style or script of this name, to be written into a page as it is."""
    return Markup((HERE / "assets" / name).read_text(encoding="utf-8"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["href"] = href
    environment.globals["asset"] = asset
    return environment
