"""A small receiver of a labour bureau's events: verifies, stores once, finds gaps, asks for a replay, checks the day's manifest."""
