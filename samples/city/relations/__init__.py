"""What the firms of a city have to do with their workers: rights cases, agreements, assessments."""
