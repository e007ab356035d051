"""A service of the tests without a domain: it records, publishes and reads events with the code of `shared`."""
