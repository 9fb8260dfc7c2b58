"""A bank account: the IBAN, the NBU and EPC QR codes; money comes by statement or by hand."""

from support_service.giving import Phrase
from support_service.rails.bank.classes import CLASS_WORDS
from support_service.rails.bank.method import build_method
from support_service.rails.bank.settings import SECTIONS, name_sources, read_own
from support_service.rails.rail import Rail

BANK = Rail(
    name="bank",
    title=Phrase("Bank transfer"),
    build_method=build_method,
    sections=SECTIONS,
    read_own=read_own,
    sources="support_service.rails.bank.source:build_rail_sources",
    name_sources=name_sources,
    lacks="no account of [[banks]] has a token_file",
    check_online="support_service.rails.bank.online:ask",
    compare="support_service.rails.bank.online:compare_all",
    line_words={str(name): words for name, words in CLASS_WORDS.items()},
)
