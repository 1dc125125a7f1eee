"""Correlations of the cells of a prior, by products with a factor of each."""
