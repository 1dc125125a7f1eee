"""Steps after a run is done, without simulations: answers, other priors, other programs."""
