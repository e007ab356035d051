"""Enterprises: they settle, report headcounts, move, are reclassified, and close."""
