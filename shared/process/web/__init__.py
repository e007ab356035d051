"""The web server of a process."""
