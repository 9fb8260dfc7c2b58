"""One folder per rail, and the table of rails.

A rail's folder has a `Rail` in its `__init__`, which says all that the rest of the product knows of
it. A new rail is a new folder and one line in RAILS. "Add a rail" in README.md beside this file tells
how.
"""

from support_service.rails.bank import BANK
from support_service.rails.bitcoin import BITCOIN
from support_service.rails.card import CARD
from support_service.rails.evm import EVM
from support_service.rails.mono import MONO
from support_service.rails.rail import Rail
from support_service.rails.stripe import STRIPE
from support_service.rails.tron import TRON

# In the order in which people are told of them.
RAILS: dict[str, Rail] = {rail.name: rail for rail in (EVM, BITCOIN, TRON, STRIPE, MONO, BANK, CARD)}
