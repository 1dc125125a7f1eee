"""Reading YAML so that nothing is lost or changes its meaning on the way.

YAML 1.1, which Snakemake and PyYAML read, lets the last of two equal keys win, reads `no` and
`off` as false and `12:30:00` as 45000, and lets aliases grow without bound. All of these are
refused here, with their lines.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from pvi_hpc.errors import ConfigError

__all__ = ["MAX_VALUES", "read_tree"]

#: Values that a file may hold, aliases written out. A configuration has some hundreds.
MAX_VALUES: Final = 100_000

BOOL: Final = "tag:yaml.org,2002:bool"
INT: Final = "tag:yaml.org,2002:int"
FLOAT: Final = "tag:yaml.org,2002:float"


def read_tree(path: str | Path, keys: str) -> Mapping[str, Any]:
    """Read a YAML mapping; `keys` are some that it may hold, for the message.

    Raises
    ------
    ConfigError
        If the file cannot be read, holds a key twice, a word or number that YAML takes for
        something else, or too many values.
    """
    try:
        tree = _parse(Path(path).read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"'{path}' must be UTF-8 text, got the byte {error.object[error.start]:#04x} at "
            f"position {error.start}; save it as UTF-8 (iconv -f latin1 -t utf-8)."
        ) from error
    except RecursionError as error:
        raise ConfigError(f"'{path}' is nested too deeply to be a configuration.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"Cannot read the configuration '{path}': {error}") from error
    if not isinstance(tree, Mapping):
        raise ConfigError(f"'{path}' must hold keys such as {keys}, got {type(tree).__name__}.")
    return tree


def _parse(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, set())
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count(node: yaml.Node, known: dict[int, int], above: set[int]) -> int:
    """Check a node and return its values, those of aliases each time that they are used."""
    if id(node) in above:
        raise ValueError(f"the alias in {_line(node)} holds itself")
    if id(node) in known:
        return known[id(node)]
    inside = {*above, id(node)}
    count = 1
    if isinstance(node, yaml.ScalarNode):
        _check_scalar(node)
    elif isinstance(node, yaml.MappingNode):
        _check_keys(node)
        for key, value in node.value:
            count += _count(key, known, inside) + _count(value, known, inside)
    else:
        count += sum(_count(item, known, inside) for item in node.value)
    if count > MAX_VALUES:
        raise ValueError(
            f"{_line(node)} stands for more than {MAX_VALUES} values; write them without "
            "aliases of aliases, or into a file of their own"
        )
    known[id(node)] = count
    return count


def _check_keys(node: yaml.MappingNode) -> None:
    seen: dict[tuple[str, str], yaml.Node] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ValueError(f"the key in {_line(key)} must be one word")
        first = seen.setdefault((key.tag, key.value), key)
        if first is not key:
            raise ValueError(
                f"'{key.value}' stands twice, in {_line(first)} and {_line(key)}; remove one"
            )


def _check_scalar(node: yaml.ScalarNode) -> None:
    text = node.value
    if node.style is not None:  # in quotes: what it says
        return
    if node.tag == BOOL and text.lower() not in ("true", "false"):
        truth = "true" if text.lower() in ("yes", "on", "y") else "false"
        raise ValueError(
            f"'{text}' in {_line(node)} is a truth value to some programs and a word to "
            f"others; write {truth}, or '{text}' in quotes if it is a word"
        )
    if node.tag in (INT, FLOAT) and ":" in text:
        raise ValueError(
            f"'{text}' in {_line(node)} is a number of base 60 to some programs (a time would "
            "become seconds); put it in quotes"
        )
    if node.tag == INT and re.fullmatch(r"[-+]?0[0-7_]+", text):
        raise ValueError(
            f"'{text}' in {_line(node)} is an octal number to some programs; remove the "
            "leading zeros, or put it in quotes if it is a word"
        )


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"
