"""Execution: Dask workers that own MPI gangs, what they are sent, and who may send it."""
