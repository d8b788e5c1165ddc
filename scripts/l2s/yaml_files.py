"""Reading YAML that people wrote: a mistake is told by file and line, and nothing in a file can keep a reader busy."""

from pathlib import Path
from typing import Any

import yaml

from l2s.errors import UserError, first_line

MOST_NODES = 1_000_000
"""Values of a file, with what aliases (``*name``) repeat; what a table of 5,000 recipes is made from has fewer."""
MOST_BYTES = 100_000_000


class UniqueKeys(yaml.SafeLoader):
    """Reads YAML as ``safe_load`` does, but a key given twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """Build a mapping from its node."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                raise _mistake("a key must be a word or a number", key_node)
            if key in seen:
                raise _mistake(f"key '{key}' is given twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> Any:
    """Read one YAML file.

    Raises:
        UserError: It is missing, no text in UTF-8, malformed, holds itself, or is larger than any of ours; names it.
    """
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise UserError(f"{path}: larger than {MOST_BYTES:,} bytes; is it the right file?")
        loader = UniqueKeys(Path(path).read_text(encoding="utf-8-sig"))  # a SafeLoader
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, set())
        return loader.construct_document(node)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except RecursionError:
        raise UserError(f"{path}: not valid YAML: brackets in brackets, too many to read") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # a date or number may be out of its range
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', first_line(error))}") from None


def _count(node: yaml.Node, known: dict[int, int], inside: set[int]) -> int:
    """Return how many values a node stands for, and refuse one that holds itself, too many, or half a character."""
    if id(node) in known:
        return known[id(node)]
    if id(node) in inside:
        raise _mistake("what is given by '&' holds itself by '*'", node)
    if isinstance(node, yaml.ScalarNode):
        if not node.value.isprintable() and any(0xD800 <= ord(character) < 0xE000 for character in node.value):
            raise _mistake("half a character (a lone surrogate)", node)
        return 1
    inside.add(id(node))
    pairs = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
    known[id(node)] = count = 1 + sum(_count(part, known, inside) for part in pairs)
    inside.discard(id(node))
    if count > MOST_NODES:
        raise _mistake(f"stands for {count:,} values, more than {MOST_NODES:,}", node)
    return count


def _mistake(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
