"""Aid: files of workers in hardship with what they are decided to be and what was paid; employment help."""
