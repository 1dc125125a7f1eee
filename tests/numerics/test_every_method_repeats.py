"""Every installed family and method: the same bits in one thread, in three, and resumed."""

from importlib.metadata import entry_points

import numpy as np
import pytest
import torch

from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings
from pvi_hpc.inference.log_prob_target import LogProbTarget
from pvi_hpc.inference.method import load_method
from pvi_hpc.inference.settings import (
    HessianSettings,
    InferenceSettings,
    MethodSettings,
    StartSettings,
)
from pvi_hpc.inference.state import State
from pvi_hpc.store.checkpoint import CheckpointStore

SHAPE = (2, 12, 15)
#: Of families whose cost grows with the square of the unknowns; they compute in one thread.
SMALL = dict.fromkeys(("iaf", "maf"), (1, 6, 8))
#: Options of families that need some, or are large without.
OPTIONS = {
    "structured": {"stencil": [1, 3, 3]},
    "low_rank": {"rank": 3},
    "low_rank_structured": {"rank": 3, "stencil": [1, 3, 3]},
    "precision_structured": {"stencil": [1, 3, 3]},
    **{name: {"layers": 2, "hidden": [8]} for name in ("affine_coupling", "spline_coupling")},
    **{name: {"layers": 2, "hidden": [48]} for name in ("iaf", "maf")},
}
#: Families that only start from gradients of noise are in `test_metric_gaussian.py`.
FAMILIES = sorted(
    point.name
    for point in entry_points(group="pvi_hpc.families")
    if not hasattr(point.load(), "fixed")
)
METHODS = sorted(point.name for point in entry_points(group="pvi_hpc.methods"))
#: Families of methods that fit one family only.
OF_METHOD = {"batch_and_match": "full_rank"}


def log_prob(theta):
    """Log density of cells that pull at their neighbours along x, and no Gaussian."""
    slope = theta[:, 1:] - theta[:, :-1]
    return -0.5 * (theta**2).sum(dim=1) - (1 + slope**2).sqrt().sum(dim=1)


def fit(family, method, threads, store=None):
    """Return the last state; with a store every iteration begins from its checkpoint."""
    torch.set_num_threads(threads)
    settings = InferenceSettings(
        method=MethodSettings(kind=method),
        family=FamilySettings(kind=family, options=OPTIONS.get(family, {})),
        iterations=4,
        samples=4,
    )
    found = load_family(settings.family, np.ones(SMALL.get(family, SHAPE), bool))
    start = StartSettings(map_iterations=2, hessian=HessianSettings(probes=1))
    made = load_method(found, LogProbTarget(log_prob), settings, start, 5)
    state = made.init(torch.full((found.n,), 0.5, dtype=torch.float64), 0.4)
    while state.iteration < made.n_iterations:
        state, _ = made.step(state)
        if store is not None:
            store.save(state.iteration, {"state": state.to_tree()})
            state = State.from_tree(store.load_latest().tree["state"])
    return state, made.sample(state, 3)


def assert_same(tree, other):
    for name, value in tree.items():
        if isinstance(value, dict):
            assert_same(value, other[name])
        else:
            np.testing.assert_array_equal(value, other[name], name)


@pytest.mark.parametrize(
    ("family", "method"),
    [(name, "vi") for name in FAMILIES]
    + [(OF_METHOD.get(name, "mean_field"), name) for name in METHODS],
)
def test_threads_and_resumption_change_no_bit(family, method, tmp_path):
    before = torch.get_num_threads()
    try:
        whole, draws = fit(family, method, 1)
        resumed, again = fit(family, method, 3, CheckpointStore(tmp_path, "settings"))
    finally:
        torch.set_num_threads(before)
    assert_same(whole.to_tree(), resumed.to_tree())
    assert torch.equal(draws, again)
