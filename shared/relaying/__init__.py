"""The rooms behind the relay: what a log says, recovery on taking the lock, writing a topic again, and comparing a log with its journal."""
