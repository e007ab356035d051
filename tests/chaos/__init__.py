"""Faults on purpose, and what must be true afterwards whatever they were."""
