"""Values that YAML would change or lose without a word are refused, with their line."""

import time

import pytest
import yaml

from pvi_hpc.config.yaml_file import read_tree
from pvi_hpc.errors import ConfigError

BOMB = 'a: &a ["lol","lol","lol","lol","lol","lol","lol","lol","lol"]\n' + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.fixture
def read(tmp_path):
    """Read a text as a configuration."""

    def read_text(text: str | bytes):
        path = tmp_path / "c.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_tree(path, "'grid'")

    return read_text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: {c: 2,\n  c: 3}\n", "'c' stands twice, in line 2 and line 3"),
        ("solver: {n: 1}\nx: 2\nsolver: {m: 2}\n", "'solver' stands twice, in line 1 and line"),
        ("runs:\n  - {name: a, name: b}\n", "'name' stands twice"),
        ("'a': 1\na: 2\n", "'a' stands twice"),
        ("a: yes\n", "'yes' in line 1 is a truth value.*write true"),
        ("name: No\n", "'No' in line 1.*write false"),
        ("a: {on: 1}\n", "'on' in line 1"),
        ("walltime: 12:30:00\n", "'12:30:00' in line 1.*base 60"),
        ("walltime: 1:30.5\n", "'1:30.5' in line 1.*base 60"),
        ("seed: 010\n", "'010' in line 1.*octal"),
        ("a: &a [*a]\n", "the alias in line 1 holds itself"),
        (BOMB, "more than 100000 values"),
        ("[" * 5000, "nested too deeply"),
        ("? [1, 2]\n: 3\n", "must be one word"),
        ("# \xd6l\na: 1\n".encode("latin-1"), "must be UTF-8 text, got the byte 0xd6"),
        ("- 1\n- 2\n", "must hold keys such as 'grid', got list"),
        ("", "must hold keys"),
        ("a: !!python/object:os.system x\n", "Cannot read"),
    ],
)
def test_what_would_be_lost_or_changed_is_refused(read, text, said):
    start = time.process_time()
    with pytest.raises(ConfigError, match=said) as error:
        read(text)
    assert time.process_time() - start < 5
    assert len(str(error.value)) < 1000


def test_what_is_clear_is_read_as_it_stands(read):
    words = '\ufeff# Öl\na: true\nb: "yes"\nc: "12:30:00"\n'
    assert read(words + "d: &d {e: 1}\nf: *d\ng: {<<: *d, h: 0}\n") == {
        "a": True,
        "b": "yes",
        "c": "12:30:00",
        "d": {"e": 1},
        "f": {"e": 1},
        "g": {"e": 1, "h": 0},
    }


def test_what_yaml_writes_is_read_again(read):
    tree = {"a": "no", "b": "1:20", "c": "010", "d": [1.5, None, False], "e": {"y": 2}}
    assert read(yaml.safe_dump(tree)) == tree
