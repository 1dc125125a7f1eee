"""Snakemake on one project: started, followed, told to stop, and concluded."""
