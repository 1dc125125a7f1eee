"""Is the approximation any good? Known answers, and tests of a fit."""
