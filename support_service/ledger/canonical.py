"""Reports and claims as canonical JSON, both ways: what is hashed is what is stored.

Canonical: keys sorted, no blanks, UTF-8, integers that may be large as decimal strings. Personal
data and raw messages enter by digest alone.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from json.encoder import encode_basestring
from typing import Any

from support_service.giving import (
    Awaiting,
    BankFacts,
    Claim,
    ClassClaim,
    Direction,
    DisputeClaim,
    FeeClaim,
    Flag,
    Frequency,
    HeldBalance,
    HoldsClaim,
    Identity,
    Intent,
    Kind,
    LinkClaim,
    MatchClaim,
    Named,
    Outcome,
    PaymentClaim,
    Personal,
    PlanClaim,
    PlanTerms,
    Rank,
    RefundClaim,
    SplitClaim,
    StandClaim,
    State,
    Statement,
    ValueClaim,
    Word,
)
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.errors import BadRecord

# Under which a claim keeps what is said of a line of a bank's account.
OF_LINE = "bank"
_NAMES_PERSONAL = '"personal":"'
_DIGEST = re.compile(r'([0-9a-f]{64})"')

# Stands for the money of a claim that names no person, and so is written alike whatever it is about.
_NOBODYS = Identity("", "-", "", Direction.IN, "-")


# Made once: json.dumps makes one for every call that wants keys sorted.
dumps = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False).encode
"""Write canonical JSON."""


quoted = encode_basestring
"""Write one text as JSON; TypeError for what is none. What is written most is put together, at a third of the cost."""


def quoted_or_null(text: str | None) -> str:
    """Write one text, or that there is none, as JSON."""
    return "null" if text is None else quoted(text)


def sha256(text: str) -> str:
    """Hash a text as lower-case hex."""
    # A raw message is hashed as it came, even where it holds half of a surrogate pair.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def personal_body(of: str, personal: Personal) -> str | None:
    """Write personal data, bound to the money or intent (its ref) they belong to; None where there are none.

    Two versions, told apart by the salt: bodies written before there were salts have none, and read as they always did.
    """
    if personal.is_empty:
        return None
    message, note, payer = (quoted_or_null(_tidy(text)) for text in (personal.message, personal.note, personal.payer))
    # What came later is left out where it is not told.
    party = "" if personal.party is None else f',"party":{quoted(tidy(personal.party))}'
    row = "" if personal.row is None else f',"row":{quoted(tidy(personal.row))}'
    salt = "" if personal.salt is None else f',"salt":{quoted(personal.salt)}'
    told = f'{{"message":{message},"note":{note}{party},"payer":{payer}{row}{salt}}}'
    return f'{{"of":{quoted(of)},"personal":{told}}}'


def tidied(personal: Personal) -> Personal:
    """Give personal data as they are read back once they are written."""
    texts = (personal.payer, personal.message, personal.note, personal.party, personal.row)
    if "".join(filter(None, texts)).isprintable():
        return personal
    payer, message, note, party, row = map(_tidy, texts)
    return Personal(payer, message, note, personal.salt, party, row)


def read_personal(body: str | None) -> Personal:
    """Read personal data back; erased ones are empty."""
    return Personal(**json.loads(body)["personal"]) if body else Personal()


def body_of(body: str) -> str:
    """Tell which money or intent (its ref) a body of personal data is bound to."""
    return str(json.loads(body)["of"])


def raw_body(raw: str) -> str:
    """Write a raw message as JSON text: a database may refuse some of what came over the wire."""
    return json.dumps(raw)


def read_raw(body: str | None) -> str | None:
    """Read a raw message back; None where it was erased."""
    return None if body is None else str(json.loads(body))


def chain_hash(previous: str, body: str) -> str:
    """Link a report to all before it: SHA-256 over the previous hash and its own canonical body."""
    return sha256(previous + body)


def claim_text(identity: Identity, claim: Claim, *, digest: str | None = None) -> str:
    """Write a claim as it is stored and compared; digest: of its personal data, where these are written already."""
    match claim:
        case PaymentClaim():
            if digest is None and not claim.personal.is_empty:
                digest = sha256(personal_body(identity.ref, claim.personal) or "")
            return _payment_text(claim, digest)
        case RefundClaim():
            return dumps({"is": "refund", "units": str(claim.units), "outcome": claim.outcome})
        case DisputeClaim():
            withdrawn = {"is_withdrawn": True} if claim.is_withdrawn else {}
            return dumps({"is": "dispute", "units": str(claim.units), "outcome": claim.outcome, **withdrawn})
        case FeeClaim():
            return dumps({"is": "fee", "units": str(claim.units)})
        case ValueClaim():
            return value_text(claim)
        case MatchClaim() | ClassClaim() | LinkClaim() | SplitClaim() | StandClaim() | HoldsClaim():
            return word_text(claim)


def value_text(claim: ValueClaim) -> str:
    """Write a value as it is stored, in its observation and beside its donation."""
    return dumps(
        {
            "is": "value",
            "currency": claim.currency,
            "exponent": claim.exponent,
            "units": str(claim.units),
            "rate": claim.rate,
            "source": claim.source,
            "at": to_micros(claim.at),
        }
    )


def word_text(claim: Word) -> str:
    """Write what was said of a gift beside its money, in its observation and beside its donation."""
    told: dict[str, object]
    match claim:
        case MatchClaim(support_code=code, by=by, reason=reason, intent=intent, article=article):
            told = {"is": "match", "support_code": code, "by": by, "reason": reason}
            told |= {"intent": intent, "article": article}
        case ClassClaim(kind=kind, line_class=line_class):
            told = {"is": "class", "kind": kind, "class": line_class}
        case LinkClaim(to=to, reason=reason):
            told = {"is": "link", "to": to, "reason": reason}
        case SplitClaim(nonce=nonce, units=units):
            told = {"is": "split", "nonce": nonce, "units": [str(one) for one in units]}
        case StandClaim(stands=stands, reason=reason):
            told = {"is": "stand", "stands": stands, "reason": reason}
        case HoldsClaim(names=names, ask_again=ask_again):
            told = {"is": "holds", "names": names, "ask_again": ask_again}
    return dumps(told)


def _read_word(held: dict[str, Any]) -> Word:
    match held["is"]:
        case "class":
            return ClassClaim(None if held["kind"] is None else Kind(held["kind"]), held["class"])
        case "link":
            return LinkClaim(held["to"], held["reason"])
        case "split":
            return SplitClaim(held["nonce"], tuple(int(one) for one in held["units"]))
        case "stand":
            return StandClaim(bool(held["stands"]), held["reason"])
        case "holds":
            names = held["names"]
            return HoldsClaim(None if names is None else tuple(map(str, names)), str(held["ask_again"]))
    return MatchClaim(**{name: held[name] for name in ("support_code", "by", "reason", "intent", "article")})


def personal_digest(text: str) -> str | None:
    """Find which personal data a stored claim names."""
    # Inside a text every quotation mark stands behind a backslash, so without one this is the key and nothing else.
    at = text.find(_NAMES_PERSONAL)
    while at > 0 and text[at - 1] == "\\":
        at = text.find(_NAMES_PERSONAL, at + 1)
    named = None if at < 0 else _DIGEST.match(text, at + len(_NAMES_PERSONAL))
    return None if named is None else named[1]


def read_claim(text: str, personal: Personal = Personal()) -> Claim:  # noqa: B008 - frozen
    """Read a claim back; personal data are given by the caller, who looked them up."""
    try:
        held = json.loads(text)
        match held["is"]:
            case "refund":
                return RefundClaim(int(held["units"]), Outcome(held["outcome"]))
            case "dispute":
                return DisputeClaim(int(held["units"]), Outcome(held["outcome"]), held.get("is_withdrawn", False))
            case "fee":
                return FeeClaim(int(held["units"]))
            case "value":
                return _read_value(held)
            case "class" | "match" | "link" | "split" | "stand" | "holds":
                return _read_word(held)
        return _read_payment(held, personal)
    except (KeyError, TypeError, ValueError, AssertionError, OverflowError) as error:
        raise BadRecord(f"a stored claim cannot be read ({text[:60]!r}); run `support-service verify`") from error


def restated(text: str, state: State) -> str:
    """Write the same payment claim in another state."""
    return dumps({**json.loads(text), "state": state})


def observation_text(identity: Iterable[str], part: str, rank: Rank, claim: str) -> str:
    """Describe a stored observation in a report's body: its identity as `identity_body` does, its claim canonical."""
    named = ",".join(map(quoted, identity))
    return f'{{"claim":{claim},"identity":[{named}],"part":{quoted(part)},"rank":[{rank[0]},{rank[1]}]}}'


def report_text(told: Mapping[str, object], observations: Iterable[str]) -> str:
    """Write the body of a report, with its observations as they are written already."""
    parts = {key: dumps(value) for key, value in told.items()} | {"observations": f"[{','.join(observations)}]"}
    return f"{{{','.join(f'{dumps(key)}:{parts[key]}' for key in sorted(parts))}}}"


def identity_body(identity: Identity) -> list[str]:
    """Describe an identity: network, asset, address, direction, locator."""
    return [identity.network, identity.asset, identity.address, str(identity.direction), identity.locator]


def statement_body(statement: Statement) -> dict[str, object]:
    """Describe a statement in a report's body."""
    delta = None if statement.delta_units is None else str(statement.delta_units)
    return {
        "network": statement.network,
        "address": statement.address,
        "asset": statement.asset,
        "block_hash": statement.block_hash,
        "is_canonical": statement.is_canonical,
        "delta_units": delta,
    }


def named_text(one: Named) -> str:
    """Write a claim that waits for its name: what it says does not depend on the money it will belong to."""
    return claim_text(_NOBODYS, one.claim)


def named_body(one: Named, claim: str) -> dict[str, object]:
    """Describe a claim that waits for its name in a report's body; what it is counted in only where that was told."""
    asset = {} if one.asset is None else {"asset": one.asset}
    return {"name": one.name, "part": one.part, "rank": list(one.rank), "claim": json.loads(claim), **asset}


def balance_body(balance: HeldBalance) -> dict[str, object]:
    """Describe a balance in a report's body."""
    return {
        "network": balance.network,
        "address": balance.address,
        "asset": balance.asset,
        "exponent": balance.exponent,
        "units": str(balance.units),
        "mark": balance.mark,
        "at": to_micros(balance.at),
    }


def plan_body(claim: PlanClaim) -> dict[str, object]:
    """Describe a plan in a report's body."""
    return {
        "name": claim.name,
        "intent": claim.intent,
        "units": str(claim.units),
        "currency": claim.currency,
        "exponent": claim.exponent,
        "frequency": claim.frequency,
        "state": claim.state,
        "at": to_micros(claim.at),
        "rank": list(claim.rank),
        # Left out where they were not told: plans of older reports read as they always did.
        **({} if claim.terms is None else {"terms": _terms(claim.terms)}),
    }


def terms_text(terms: PlanTerms | None) -> str | None:
    """Write how a plan charges as it is stored; None where that was not told."""
    return None if terms is None else dumps(_terms(terms))


def read_terms(text: str | None) -> PlanTerms | None:
    """Read how a plan charges."""
    return None if text is None else _read_terms(json.loads(text))


def _terms(terms: PlanTerms) -> dict[str, object]:
    return {
        "interval": terms.interval,
        "count": terms.count,
        "ends_at": None if terms.ends_at is None else to_micros(terms.ends_at),
        "is_paused": terms.is_paused,
        # Left out where it was not told: terms of older reports read as they always did.
        **({} if terms.next_at is None else {"next_at": to_micros(terms.next_at)}),
    }


def _read_terms(held: dict[str, Any]) -> PlanTerms:
    ends_at = None if held["ends_at"] is None else from_micros(held["ends_at"])
    next_at = from_micros(held["next_at"]) if "next_at" in held else None
    return PlanTerms(str(held["interval"]), int(held["count"]), ends_at, bool(held["is_paused"]), next_at)


def read_plan(held: dict[str, Any]) -> PlanClaim:
    """Read a plan back from a report's body."""
    return PlanClaim(
        name=held["name"],
        intent=held["intent"],
        units=int(held["units"]),
        currency=held["currency"],
        exponent=held["exponent"],
        frequency=Frequency(held["frequency"]),
        state=held["state"],
        at=from_micros(held["at"]),
        rank=(held["rank"][0], held["rank"][1]),
        terms=_read_terms(held["terms"]) if "terms" in held else None,
    )


def intent_body(intent: Intent, awaiting: Awaiting | None = None) -> str:
    """Write a reader's choice without what points to them; its hash shows whether the row was changed.

    awaiting: where a gift is told apart by the choice's sum.
    """
    # Left out where there is none, as in the rows of before there were such words.
    words: dict[str, object] = {"article_title": tidy(intent.article_title), "placement": intent.placement}
    if awaiting is not None:
        place = {"network": awaiting.network, "address": awaiting.address}
        words["awaited"] = place | {"until": to_micros(awaiting.until)}
    return dumps(
        {
            "ref": intent.ref,
            "method": intent.method,
            "currency": intent.currency,
            "exponent": intent.exponent,
            "units": str(intent.units),
            "frequency": intent.frequency,
            "lang": intent.lang,
            "made_at": to_micros(intent.made_at),
            "article": intent.article,
            "support_code": intent.support_code,
            "covered_fee_units": str(intent.covered_fee_units),
        }
        | {name: word for name, word in words.items() if word}
    )


def tidy(text: str) -> str:
    """Make text storable: a person's odd message must not hold up their money."""
    # What can be printed holds neither, and costs nothing to ask.
    return text if text.isprintable() else text.encode("utf-8", "replace").decode().replace("\0", "")


def _tidy(text: str | None) -> str | None:
    return None if text is None else tidy(text)


def _payment_text(claim: PaymentClaim, digest: str | None) -> str:
    """Write a payment, its keys in their order; digest: of its personal data."""
    # Left out of all that is no line of a bank account: claims made before there were any read as they always did.
    bank = "" if claim.bank is None else f'"{OF_LINE}":{_bank_text(claim.bank)},'
    # Left out where there is none, for the same reason.
    intent = "" if claim.intent is None else f'"intent":{quoted(claim.intent)},'
    fee = "null" if claim.fee_units is None else f'"{claim.fee_units}"'
    height = "null" if claim.block_height is None else str(claim.block_height)
    return (
        f'{{"article":{quoted_or_null(claim.article)},{bank}"block_hash":{quoted_or_null(claim.block_hash)},"block_height":{height},'
        f'"exponent":{claim.exponent},"fee_units":{fee},"flags":[{",".join(map(quoted, claim.flags))}],{intent}'
        f'"is":"payment","kind":"{claim.kind}","method":{quoted(claim.method)},'
        f'"occurred_at":{to_micros(claim.occurred_at)},"personal":{quoted_or_null(digest)},"rail":{quoted(claim.rail)},'
        f'"state":"{claim.state}","support_code":{quoted_or_null(claim.support_code)},"tx":{quoted_or_null(claim.tx)},'
        f'"units":"{claim.units}"}}'
    )


def _bank_text(facts: BankFacts) -> str:
    day = None if facts.day is None else facts.day.isoformat()
    return f'{{"class":{quoted(facts.line_class)},"day":{quoted_or_null(day)},"rule":{quoted(facts.rule)}}}'


def read_bank(line_class: str | None, rule: str | None, day: str | None) -> BankFacts | None:
    """Read what is said of a line of a bank account; None for money that is none."""
    if line_class is None:
        return None
    return BankFacts(line_class, rule or "", None if day is None else date.fromisoformat(day))


def _read_value(held: dict[str, Any]) -> ValueClaim:
    return ValueClaim(
        currency=held["currency"],
        exponent=held["exponent"],
        units=int(held["units"]),
        rate=held["rate"],
        source=held["source"],
        at=from_micros(held["at"]),
    )


def _read_payment(held: dict[str, Any], personal: Personal) -> PaymentClaim:
    return PaymentClaim(
        state=State(held["state"]),
        kind=Kind(held["kind"]),
        rail=held["rail"],
        method=held["method"],
        units=int(held["units"]),
        exponent=held["exponent"],
        occurred_at=from_micros(held["occurred_at"]),
        block_height=held["block_height"],
        block_hash=held["block_hash"],
        tx=held["tx"],
        article=held["article"],
        support_code=held["support_code"],
        fee_units=None if held["fee_units"] is None else int(held["fee_units"]),
        flags=tuple(Flag(flag) for flag in held["flags"]),
        personal=personal,
        intent=held.get("intent"),
        bank=read_bank(held["bank"]["class"], held["bank"]["rule"], held["bank"]["day"]) if "bank" in held else None,
    )
