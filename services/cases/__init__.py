"""Rights cases with their clocks, aid to workers, and the registers of agreements and assessments."""
