"""A published bank-card number, shown only; staff book what arrives on it."""

from support_service.giving import Phrase
from support_service.rails.card.method import build_method
from support_service.rails.rail import Rail

CARD = Rail(name="card", title=Phrase("Card number"), build_method=build_method)
