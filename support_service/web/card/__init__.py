"""Giving by card: from the sum to the processor's page, and who is let through."""
