"""From the outbox to the log: the relay, its recovery, republishing a topic, and comparing a log with its journal."""
