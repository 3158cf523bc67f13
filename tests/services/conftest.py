"""Fixtures of this folder: both databases."""

from tests.databases import address, each_database, server

__all__ = ["address", "each_database", "server"]
