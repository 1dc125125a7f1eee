"""Prior replacement: the posterior under another prior, without a new simulation."""
