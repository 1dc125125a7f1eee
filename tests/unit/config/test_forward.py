"""The section `forward`, and its older name `solver`."""

import copy

import pytest
from run_example import GOOD, make_run

from pvi_hpc.config import parse_project
from pvi_hpc.errors import ConfigError


def project(**sections):
    tree = {**copy.deepcopy(GOOD), "runs": [{"name": "one"}], **sections}
    return parse_project(tree)


def test_without_a_section_the_problem_is_acoustic():
    run = make_run()
    assert (run.forward.kind, run.forward.n_pml) == ("acoustic", 10)


def test_the_older_name_gives_the_same_run_and_the_same_claim():
    new = project(forward={"kind": "acoustic", "n_pml": 8}).resolved[0]
    old = project(solver={"n_pml": 8}).resolved[0]
    assert old == new
    assert old.fingerprint() == new.fingerprint()
    # Runs begun before the section had its name have claimed this.
    assert new.lasting_settings()["solver"]["n_pml"] == 8
    assert "forward" not in new.lasting_settings()


def test_a_run_may_change_single_keys_by_either_name():
    runs = [{"name": "a", "solver": {"order": 4}}, {"name": "b", "forward": {"order": 12}}]
    a, b = project(forward={"n_pml": 8}, runs=runs).resolved
    assert (a.forward.order, a.forward.n_pml) == (4, 8)
    assert (b.forward.order, b.forward.n_pml) == (12, 8)


def test_a_run_of_another_kind_takes_no_key_over():
    function = {"kind": "function", "function": "m:f", "returns": "misfit"}
    runs = [{"name": "a", "forward": function}]
    (run,) = project(forward={"n_pml": 8}, runs=runs).resolved
    assert run.forward.kind == "function"
    assert "forward" in run.lasting_settings()


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"solver": {}, "forward": {}}, "write one of them"),
        ({"solver": 3}, "'solver' must be a section"),
        ({"forward": {"kind": "acustic"}}, "did you mean 'acoustic'"),
        ({"forward": {"npml": 3}}, "'forward.npml': is no key of this kind of forward, which"),
        ({"forward": {"order": 5}}, "'forward.order'"),
        ({"forward": "acoustic"}, "'forward'"),
    ],
)
def test_a_wrong_section_is_refused(sections, message):
    with pytest.raises(ConfigError, match=message):
        project(**sections)
