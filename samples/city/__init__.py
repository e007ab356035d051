"""A synthetic Chinese city: commands for the public APIs, the same for the same scenario (README.md)."""

from samples.city.adapter import City
from samples.city.book import Answer, Command, Unanswered, filled, quarters, references, waves
from samples.city.scenario import Scenario

__all__ = ["Answer", "City", "Command", "Scenario", "Unanswered", "filled", "quarters", "references", "waves"]
