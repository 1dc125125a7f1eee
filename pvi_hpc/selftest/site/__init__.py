"""`pvi doctor`: tries out, in minutes, all that a run needs of a machine or a cluster."""
