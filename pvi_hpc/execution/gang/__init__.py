"""A gang: the MPI ranks of one worker, and the processes that keep and watch them."""
