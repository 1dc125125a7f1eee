"""A learnt posterior in the report: a network that fails is called out on the first page."""

from dataclasses import replace

from report_example import example_view

from pvi_hpc.report.learnt import learnt_rows, learnt_warnings

VERDICT = {
    "passed": False,
    "sentence": "NOT CALIBRATED: 1000 held-out pairs refuse it.",
    "p-values": {"SBC": 1e-5, "TARP": 0.4},
    "coverage of 50 %": 0.41,
    "coverage of 90 %": 0.8,
}
FACTS = {
    "network": "mixture",
    "numbers": 1234,
    "draws": 50_000,
    "failed draws": 3,
    "training seconds": 61.0,
    "verdict": VERDICT,
    "observed": {"p-value": 0.001, "seconds": 0.02, "warnings": ["It lies outside."]},
}


def test_a_network_that_fails_and_data_outside_are_warned_of():
    view = replace(example_view(), learnt=FACTS)
    rows = {row.name: row.value for row in learnt_rows(view)}
    assert rows["verdict"] == "NOT CALIBRATED"
    assert rows["truths in 90 % intervals"] == "80.0 %" and rows["SBC: p-value"] == "1e-05"
    first, second = learnt_warnings([view])
    assert view.run in first and "NOT CALIBRATED" in first and "outside" in second


def test_a_calibrated_network_and_none_at_all_are_not_warned_of():
    good = {**FACTS, "verdict": {**VERDICT, "passed": True}, "observed": {}}
    view = replace(example_view(), learnt=good)
    assert learnt_rows(view)[0].value == "calibrated" and not learnt_warnings([view])
    assert learnt_rows(example_view()) == [] and learnt_warnings([example_view()]) == []


def test_rounds_are_told_with_what_is_left_of_the_prior():
    last = {"prior_share": 0.012, "pairs": 7000, "divergence": 0.004, "agreed": True}
    first = {"prior_share": 1.0, "pairs": 4000, "divergence": None, "agreed": False}
    view = replace(example_view(), learnt={**FACTS, "rounds": [first, last]})
    rows = {row.name: row for row in learnt_rows(view)}
    assert rows["rounds"].value == "2" and rows["pairs of the last network"].value == "7,000"
    assert rows["share of the prior in the last"].value == "0.012"
    assert rows["from the round before"].note == "agreed"
    one = replace(example_view(), learnt={**FACTS, "rounds": [first]})
    assert "from the round before" not in {row.name for row in learnt_rows(one)}
    assert "rounds" not in {
        row.name for row in learnt_rows(replace(example_view(), learnt=FACTS))
    }
