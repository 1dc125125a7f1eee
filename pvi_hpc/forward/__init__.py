"""Simulations: what turns velocity models into misfits and gradients."""
