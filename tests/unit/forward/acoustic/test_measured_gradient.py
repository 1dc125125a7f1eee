"""A gradient that is not exact enough is refused before a run begins."""

from run_example import make_run

from pvi_hpc.problem.forward import forward_problem, survey_geometry


def finding(**changes):
    run = make_run(**changes)
    (only,) = forward_problem(run).measure(survey_geometry(run))
    return only


def test_the_default_storage_is_measured_and_good_enough():
    default = finding()
    assert default.level == "ok"
    assert "relative error of the gradient" in default.message


def test_a_bound_below_the_measured_error_refuses_the_run():
    refused = finding(forward__gradient__max_error=1e-9)
    assert refused.level == "error"
    assert "'storage: checkpointed'" in refused.message


def test_too_few_steps_are_refused_with_more():
    refused = finding(forward__gradient__every=64)
    assert refused.level == "error"
    assert "'forward.gradient.every: 32'" in refused.message


def test_an_exact_storage_needs_no_measurement():
    exact = finding(forward__gradient__storage="checkpointed")
    assert "error of the gradient 0.0e+00" in exact.message
