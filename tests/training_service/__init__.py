"""A whole service that writes, of one noun with three facts: training courses at enterprises. Tested as the test of shared/writing."""
