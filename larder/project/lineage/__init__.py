"""Column lineage: where every column's values and rows come from, read out of compiled SQL."""
