"""Assessments of harmonious labour relations, and awards."""
