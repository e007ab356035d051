"""The reads that every register has in common: lists, single entries, clocks, streams."""
