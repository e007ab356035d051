"""Loaders of samples that need more than areas and enterprises: employers with their cases, the synthetic city."""
