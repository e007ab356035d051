"""Writes the log of a synthetic city to Kafka and to the journals, in minutes, and says what its figures are."""
