"""What law or place decides, as dated values: periods, lines, thresholds."""
