"""The nouns of the house, for whoever reads first.

PaymentMethod: what a reader sees. Intent: what a reader chose. Report: one message from one outside source, with
the Observations it claims. Donation: what we believe now about one piece of money. (Postings, the books' side of
a donation, are in ledger/postings.py.) Money enters by one verb only, `ledger.accept(report)`.
"""

from support_service.giving.clock import Clock, utc_now
from support_service.giving.donations import Donation, NoPayment, Observed, fold, is_open, live
from support_service.giving.intents import Checkout, Intent
from support_service.giving.methods import (
    CardChoice,
    CardCurrency,
    Frequency,
    Link,
    PaymentMethod,
    Phrase,
    QrText,
    Row,
    Watch,
)
from support_service.giving.reports import (
    PAYMENT_PART,
    Claim,
    Cursor,
    Decline,
    DisputeClaim,
    FeeClaim,
    Identity,
    Named,
    Observation,
    PaymentClaim,
    Personal,
    PlanClaim,
    PlanTerms,
    Rank,
    RefundClaim,
    Report,
    SetAside,
    Statement,
    ValueClaim,
    value_part,
)
from support_service.giving.states import COUNTED_KINDS, PAYMENT_STATES, Direction, Flag, Kind, Outcome, State

__all__ = [
    "COUNTED_KINDS",
    "PAYMENT_PART",
    "PAYMENT_STATES",
    "CardChoice",
    "CardCurrency",
    "Checkout",
    "Claim",
    "Clock",
    "Cursor",
    "Decline",
    "Direction",
    "DisputeClaim",
    "Donation",
    "FeeClaim",
    "Flag",
    "Frequency",
    "Identity",
    "Intent",
    "Kind",
    "Link",
    "Named",
    "NoPayment",
    "Observation",
    "Observed",
    "Outcome",
    "PaymentClaim",
    "PaymentMethod",
    "Personal",
    "Phrase",
    "PlanClaim",
    "PlanTerms",
    "QrText",
    "Rank",
    "RefundClaim",
    "Report",
    "Row",
    "SetAside",
    "State",
    "Statement",
    "ValueClaim",
    "Watch",
    "fold",
    "is_open",
    "live",
    "utc_now",
    "value_part",
]
