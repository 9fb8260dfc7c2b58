"""Addresses that nobody swaps unnoticed: signed away from the server, proved on it, compared from outside.

`document` is what is signed, `minisign` how; `proof` decides which methods may be shown; `places`, `page`,
`qr_reader` and `attest` read what readers really get and name whatever is not signed.
"""
