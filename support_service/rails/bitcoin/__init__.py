"""A static Bitcoin address."""
