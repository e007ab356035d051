"""Small counts of persons: which cells of a statistic are shown, so that no count under 5 can be computed from those that are."""
