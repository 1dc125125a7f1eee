"""`scripts/ci.py` runs parts side by side, stops after a failure, and ends with a table."""

import io
import re
import sys
from collections.abc import Sequence

import pytest
from declared import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import ci

#: What pytest says last.
CLOSING = "==== 3 passed in 0.10s ===="


def part(name: str, *lines: str, code: int = 0, wait_s: float = 0.0) -> ci.Part:
    """Return a part that prints lines, waits and ends with a code."""
    printed = "\n".join(lines)
    program = f"import sys, time; print({printed!r}); time.sleep({wait_s}); sys.exit({code})"
    return ci.Part(name, (sys.executable, "-c", program))


def run(*stages: Sequence[ci.Part]) -> tuple[int, str]:
    """Run stages; return the code and what was printed."""
    output = io.StringIO()
    return ci.run_stages(stages, output), output.getvalue()


def test_a_table_and_the_closing_lines_of_tests_come_last():
    code, text = run([part("lint", "fine")], [part("test", CLOSING, "time: 3 s")])
    assert code == 0
    assert "fine\n" in text
    *_, lint, test, whole, last = text.splitlines()
    assert re.fullmatch(r"lint +0\.\d min  passed", lint)
    assert re.fullmatch(r"test +0\.\d min  passed", test)
    assert re.fullmatch(r"whole +0\.\d min", whole)
    assert last == CLOSING


def test_parts_of_a_stage_run_side_by_side_and_their_lines_say_whose_they_are():
    slow = [part(name, name.upper(), wait_s=1.0) for name in ("a", "b")]
    code, text = run(slow)
    assert code == 0
    assert {"a: A", "b: B"} <= set(text.splitlines())
    whole = max(p.seconds for p in slow)
    assert whole < sum(p.seconds for p in slow) - 0.5


def test_a_failure_ends_its_stage_and_no_other_begins():
    failing, beside, after = part("lint", code=3), part("docs"), part("test")
    code, text = run([failing, beside], [after])
    assert code == 1
    assert re.search(r"lint .*FAILED \(3\)", text)
    assert re.search(r"docs .*passed", text)
    assert re.search(r"test .*not run", text)


def test_every_part_is_a_target_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for name in (name for stage in ci.STAGES for name in stage):
        assert re.search(rf"^{name}: ", makefile, flags=re.MULTILINE), name


@pytest.mark.parametrize("line", [CLOSING, "25 passed, 0 failed, 0 skipped", "1 error in 0.2s"])
def test_closing_lines_are_those_of_pytest_and_of_the_clusters(line):
    assert ci.CLOSING.search(line)
