"""Single commands on their way to a transaction: which requests need no framework, and which commands share a transaction."""
