"""Measures how long the questions of the pages, and free ones over the whole city, take on the folded log of a large city."""
