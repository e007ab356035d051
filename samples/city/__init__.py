"""A synthetic Chinese city: commands for the public APIs, the same for the same scenario (README.md)."""

from samples.city.adapter import City
from samples.city.command_log import Answer, Command, UnresolvedReferenceError, dependency_batches, quarters, references, with_ids
from samples.city.scenario import Scenario

__all__ = ["Answer", "City", "Command", "Scenario", "UnresolvedReferenceError", "dependency_batches", "quarters", "references", "with_ids"]
