"""A published bank-card number, shown only; staff book what arrives on it."""
