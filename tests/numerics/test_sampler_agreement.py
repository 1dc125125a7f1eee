"""sSVGD against HMC, on a normal and on a banana: what is left is Monte Carlo error."""

import numpy as np
import pytest
from sampler_agreement import by_hmc, by_ssvgd, correlated, skewed

#: Standard errors from a handful of replicas have heavy tails: t of 5 degrees of freedom.
FAR = 4.5


@pytest.mark.slow
@pytest.mark.parametrize("log_prob", [pytest.param(correlated, marks=pytest.mark.long), skewed])
def test_ssvgd_and_hmc_agree_within_monte_carlo_error(log_prob):
    ssvgd = by_ssvgd(log_prob, 2, replicas=6, iterations=1600)
    hmc = by_hmc(log_prob, 2, replicas=12, draws=2000)
    sd = np.tile(hmc.estimate[2:4], 3)
    assert (ssvgd.error / sd).max() < 0.2 and (hmc.error / sd).max() < 0.05
    assert ssvgd.deviations(hmc).max() < FAR
