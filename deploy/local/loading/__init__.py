"""Brings records from files to a running stack through the public APIs of its services, and nothing else."""
