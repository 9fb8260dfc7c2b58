"""A bank account: the IBAN, the NBU and EPC QR codes; money comes by statement or by hand."""
