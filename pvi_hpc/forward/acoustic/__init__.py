"""The acoustic wave equation: the C/MPI solver and all that it needs to be told."""
