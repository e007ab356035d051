"""Manifests of what a subscription was given on a day, and their verification by the receiver, offline."""
