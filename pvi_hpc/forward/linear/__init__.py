"""Data that are a matrix times the model, such as travel times along straight rays."""
