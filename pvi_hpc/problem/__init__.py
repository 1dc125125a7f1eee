"""The inverse problem: unknowns, models, likelihood and posterior."""
