"""Unions, whom they cover, and their members."""
