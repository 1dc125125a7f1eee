"""`pvi doctor` passes on this machine, and leaves nothing behind."""

import re

import pytest

pytestmark = pytest.mark.slow


def test_the_doctor_finds_this_machine_fit(project):
    text = project.pvi("doctor")
    assert re.search(r"ok +lost worker: killed, replaced after \d+ s, same bits", text), text
    assert re.search(r"ok +halo exchange: gradient of 2 ranks", text), text
    assert text.rstrip().endswith("11 passed, 0 failed")
    assert [path.name for path in project.folder.iterdir()] == ["tiny.yaml"]
