"""Changed headers: no geometry or sample that changes is read in silence."""

import random

import numpy as np
import pytest
from test_description import read
from test_doubts import spread

from pvi_hpc.errors import SurveyError

#: Bytes of a trace of `spread`.
SIZE = 440
#: Positions may be off by this [m]: what headers say twice is rounded to metres.
ROUNDING = 2.5


def content(survey):
    """Return positions and samples of all traces, whatever their numbers, in one order."""
    rows = [
        np.concatenate(
            [np.broadcast_to(s.source, (len(s.receivers), 3)), s.receivers, s.data], 1
        )
        for s in survey.shots
    ]
    every = np.concatenate(rows)
    return every[np.lexsort(every.T[::-1])]


@pytest.mark.parametrize(
    "n", [pytest.param(400), pytest.param(10_000, marks=pytest.mark.long)], ids=str
)
def test_no_changed_header_changes_a_survey_in_silence(tmp_path, n):
    rng = random.Random(11)
    path = spread(tmp_path / "s.sgy")
    original = path.read_bytes()
    plain = read(path)
    right = content(plain)
    outcomes = dict.fromkeys(("refused", "told", "same"), 0)
    for _ in range(n):
        changed = bytearray(original)
        in_file = rng.random() < 0.3
        place = rng.randrange(3200, 3600) if in_file else (
            3600 + SIZE * rng.randrange(18) + rng.randrange(240)
        )  # fmt: skip
        changed[place] = rng.choice((0, 1, 2, 3, 5, 10, 128, 255, rng.randrange(256)))
        path.write_bytes(changed)
        try:
            survey = read(path)
        except SurveyError:
            outcomes["refused"] += 1
            continue
        told = survey.attributes != plain.attributes
        found = content(survey)
        same = found.shape == right.shape and np.allclose(found, right, rtol=0, atol=ROUNDING)
        same = same and survey.dt == plain.dt
        outcomes["told" if told else "same"] += 1
        byte = place + 1 if in_file else (place - 3600) % SIZE + 1
        assert same or told, f"byte {byte} of {'the file' if in_file else 'a trace'}"
    assert all(outcomes.values())
