"""What every service with pages removes while it runs: codes and sessions that have expired. Imports no web framework."""

from __future__ import annotations

from shared.process.cleaning import deleting

# As tokens, they go by the wall clock.
TRIMS = (
    deleting("login_codes", "code_hash", "expires_at <= clock_timestamp()"),
    deleting("sessions", "id_hash", "expires_at <= clock_timestamp()"),
)
