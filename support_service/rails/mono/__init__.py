"""Cards through plata by mono: its hosted page by redirect, its signed messages, and a sweep of both.

What of its API was not established, and what is done about that, is told in README.md beside this file.
"""

from support_service.giving import Phrase
from support_service.rails.mono.method import RAIL, build_method
from support_service.rails.mono.plan_words import ENDED_PLANS, PLAN_WORDS
from support_service.rails.mono.settings import SECTIONS, name_sources, read_own
from support_service.rails.rail import Rail

MONO = Rail(
    name=RAIL,
    title=Phrase("plata by mono"),
    build_method=build_method,
    sections=SECTIONS,
    read_own=read_own,
    sources="support_service.rails.mono.sweep:build_sources",
    name_sources=name_sources,
    check_online="support_service.rails.mono.online:ask_merchant",
    compare="support_service.rails.mono.online:compare_payouts",
    processor="support_service.rails.mono.processor:build_processor",
    plan_words=PLAN_WORDS,
    ended_plans=ENDED_PLANS,
)
