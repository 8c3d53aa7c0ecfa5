"""Reads the code of a page statement by statement, without running it."""
