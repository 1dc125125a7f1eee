"""Files of traces: SEG-Y of revisions 0 to 2, and SU."""
