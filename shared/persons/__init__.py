"""Persons in the services that own their data: identity documents, keyed hashes, sealed rows."""
