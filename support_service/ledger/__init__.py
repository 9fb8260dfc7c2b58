"""The only writer of money tables. One door: `Ledger.accept(report)`."""
