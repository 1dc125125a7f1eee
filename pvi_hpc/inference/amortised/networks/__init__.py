"""Networks that give a density of unknowns for data; one file and one entry point each."""
