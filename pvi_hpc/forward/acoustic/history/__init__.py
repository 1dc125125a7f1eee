"""Storage of the forward run that a gradient needs: its kinds, its choice and its error."""
