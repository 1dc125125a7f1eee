"""Places where workers run: this machine, Slurm, Grid Engine, or nodes of one allocation."""
