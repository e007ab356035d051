"""Input for the jobs of `processes`, and what must be true after they ran, whatever interrupted them."""
