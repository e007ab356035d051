"""Divisions and parks: a tree in which parks are the leaves."""
