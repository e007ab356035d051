"""Agreements: pacts, negotiations, collective contracts, tripartite meetings, workers' congresses."""
