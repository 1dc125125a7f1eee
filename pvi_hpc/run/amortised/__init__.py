"""Amortised inference of a run: a bank of prior draws, and networks that learn from it."""
