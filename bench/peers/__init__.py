"""The plain task, current coverage per park and industry, in other systems. Run in an environment of its own (`environment.py`)."""
