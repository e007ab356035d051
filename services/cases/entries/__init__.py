"""Entries: what every register of this service has in common, from the facts of one entry to its row, its list and its ETag."""
