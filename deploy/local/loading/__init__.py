"""Imports records from files into a running stack, only through the public APIs of its services."""
