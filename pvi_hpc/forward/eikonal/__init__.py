"""First-arrival travel times of the eikonal equation as forward problem."""
