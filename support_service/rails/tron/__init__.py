"""TRC-20 tokens at a static TRON address."""
