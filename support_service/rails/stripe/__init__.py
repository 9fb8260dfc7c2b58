"""Cards through Stripe: its hosted Checkout by redirect, its signed events, and a sweep of both."""

from support_service.giving import Phrase
from support_service.rails.rail import Rail
from support_service.rails.stripe.method import RAIL, build_method
from support_service.rails.stripe.payment_page import payment_page
from support_service.rails.stripe.plan_words import ENDED_PLANS, FAILING_PLANS, PLAN_WORDS, UNBEGUN_PLANS
from support_service.rails.stripe.settings import SECTIONS, name_sources, read_own

STRIPE = Rail(
    name=RAIL,
    title=Phrase("Stripe"),
    build_method=build_method,
    sections=SECTIONS,
    read_own=read_own,
    sources="support_service.rails.stripe.sweep:build_sources",
    name_sources=name_sources,
    check_online="support_service.rails.stripe.online:ask_account",
    processor="support_service.rails.stripe.processor:build_processor",
    plan_words=PLAN_WORDS,
    ended_plans=ENDED_PLANS,
    payment_page=payment_page,
    failing_plans=FAILING_PLANS,
    unbegun_plans=UNBEGUN_PLANS,
)
