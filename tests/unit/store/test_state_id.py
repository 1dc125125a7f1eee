"""Every result says of which state it is; another one's is refused with a remedy."""

from pathlib import Path

import numpy as np
import pytest

from pvi_hpc.store.result_schema import ResultFileError
from pvi_hpc.store.state_id import StateId

PLACE = Path("results/overthrust/psvi/posterior.h5")


def tree(**changes):
    values = {"mu": np.arange(3.0), "rho": np.ones((2, 3))}
    return {"iteration": 62, "converged": False, "parameters": values, **changes}


def test_equal_states_have_equal_names_and_others_do_not():
    mine = StateId.of("settings", tree())
    assert mine == StateId.of("settings", dict(reversed(tree().items())))
    others = [
        tree(iteration=61),
        tree(converged=True),
        tree(memory={"first": np.zeros(3)}),
        tree(parameters={"mu": np.arange(3.0), "rho": np.ones((3, 2))}),
        tree(parameters={"mu": np.arange(3.0, dtype=np.float32), "rho": np.ones((2, 3))}),
        tree(parameters={"mu": np.array([0, 1, np.nextafter(2, 3)]), "rho": np.ones((2, 3))}),
    ]
    assert len({mine.digest, *(StateId.of("settings", t).digest for t in others)}) == 7


def test_a_file_of_another_state_is_refused_with_the_remedy():
    mine = StateId.of("settings", tree())
    mine.refuse_other(PLACE, {**mine.attributes(), "run": "psvi"})
    for other in (StateId.of("settings", tree(iteration=31)), StateId.of("others", tree())):
        with pytest.raises(
            ResultFileError, match=r"Remove the .*pvi resume overthrust"
        ) as error:
            mine.refuse_other(PLACE, other.attributes())
        assert f"iteration {other.iteration}" in str(error.value)


def test_half_a_name_is_another_one():
    mine = StateId.of("settings", tree())
    with pytest.raises(ResultFileError, match="iteration None"):
        mine.refuse_other(PLACE, {"state_digest": mine.digest})


def test_a_file_of_an_older_version_is_accepted_with_a_warning(caplog):
    StateId.of("settings", tree()).refuse_other(PLACE, {"run": "psvi"})
    assert "does not say which state" in caplog.text
