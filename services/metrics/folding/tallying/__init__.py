"""What tallies are made of: their names, the steps of one subject, and what one case adds."""
