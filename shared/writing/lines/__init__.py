"""The lines of a batch, and the bodies of commands."""
