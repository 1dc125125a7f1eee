"""A step is done once, however often the work around it is stopped and begun again."""

import numpy as np
import pytest

from pvi_hpc.errors import StopRequestedError
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.safe_points import SafePoints


@pytest.fixture
def work(tmp_path):
    """Do three steps with a key; return their sum and which were done now."""

    def do(key="a", stop_before=None):
        done, stop = [], StopFlag()
        once = SafePoints(tmp_path / "predicted", key, stop)

        def step(i):
            done.append(i)
            if i + 1 == stop_before:
                stop.received = "SIGTERM"
            return {"x": np.full(2, float(i))}

        try:
            total = sum(once(f"step-{i}", lambda i=i: step(i))["x"][0] for i in range(3))
        except StopRequestedError:
            total = None
        return total, done

    return do


def test_what_was_done_before_a_stop_is_not_done_again(work):
    assert work(stop_before=2) == (None, [0, 1])
    assert work() == (3.0, [2])
    assert work() == (3.0, [])


def test_results_of_another_key_are_done_again(work):
    assert work("a") == (3.0, [0, 1, 2])
    assert work("b") == (3.0, [0, 1, 2])


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all"])
def test_a_result_that_was_cut_is_made_again(work, tmp_path, content):
    work()
    (tmp_path / "predicted" / "step-1.npz").write_bytes(content)
    assert work() == (3.0, [1])


def test_what_is_kept_is_removed_at_the_end(work, tmp_path):
    work()
    SafePoints(tmp_path / "predicted", "a", StopFlag()).clear()
    assert not (tmp_path / "predicted").exists()
