"""Working days: the official arrangement of each year."""
