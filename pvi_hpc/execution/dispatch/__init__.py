"""Tasks of a batch: cut, placed on workers, sent again after failures, summed."""
