"""Side-by-side measurements: each a command that prints a table and writes JSON. Ratios of one run only."""
