"""The contracts and the mechanisms that services use."""

__version__ = "0.2.0"
"""The release: of every service, of the OpenAPI documents and of `./parkunion --version`."""
