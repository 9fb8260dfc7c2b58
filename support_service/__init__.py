"""Reader support for news publishers: one page of payment methods, one ledger for every gift."""

__version__ = "0.1.0"
