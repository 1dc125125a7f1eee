"""Answers drawn from a posterior: predicted data, tails, and what else users ask of it."""
