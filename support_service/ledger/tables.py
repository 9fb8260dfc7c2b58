"""The ledger's tables, as queries see them. Constraints and triggers are in migrations/versions.

Tables only grow: a later revision adds columns and tables, and renames or drops none.
"""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

from support_service.ledger.columns import SUM_DIGITS_MAX, Units

metadata = MetaData()
# A number of 64 bits, also where it is SQLite's own row number.
WholeNumber = BigInteger().with_variant(Integer(), "sqlite")

report = Table(
    "report",
    metadata,
    Column("number", WholeNumber, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("accepted_at", WholeNumber, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("raw_digest", Text),
)

head = Table(
    "head",
    metadata,
    Column("id", WholeNumber, primary_key=True, autoincrement=False),
    Column("number", WholeNumber, nullable=False),
    Column("hash", Text, nullable=False),
)

donation = Table(
    "donation",
    metadata,
    Column("id", WholeNumber, primary_key=True, autoincrement=False),
    Column("ref", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("locator", Text, nullable=False),
    # From here on: fold(observations). All empty while only a refund or dispute has been heard of.
    Column("state", Text),
    Column("kind", Text),
    Column("rail", Text),
    Column("method", Text),
    Column("units", Units),
    Column("exponent", Integer),
    Column("refunded_units", Units),
    Column("counted_units", Units),
    Column("fee_units", Units),
    Column("net_units", Units),
    Column("flags", Text),
    Column("block_height", WholeNumber),
    Column("block_hash", Text),
    Column("tx", Text),
    Column("article", Text),
    Column("support_code", Text),
    Column("personal_digest", Text),
    Column("seen_at", WholeNumber),
    Column("confirmed_at", WholeNumber),
    Column("occurred_at", WholeNumber),
    Column("value", Text),
    Column("last_report", WholeNumber, nullable=False),
    # These three came later; empty means none.
    Column("intent", Text),
    Column("withheld_units", Units),
    Column("open_parts", Integer),
    # These, too: what is said of a line of a bank account, and whose gift it is.
    Column("bank_class", Text),
    Column("bank_rule", Text),
    Column("booking_date", Text),
    Column("match", Text),
    # And these: what other money it is about, the gifts that it holds, whether its file was taken back.
    Column("link", Text),
    Column("linked_to", Text),
    Column("split", Text),
    Column("stand", Text),
)

observation = Table(
    "observation",
    metadata,
    Column("id", WholeNumber, primary_key=True, autoincrement=False),
    Column("report_number", WholeNumber, nullable=False),
    Column("donation_id", WholeNumber, nullable=False),
    Column("part", Text, nullable=False),
    Column("rank_major", WholeNumber, nullable=False),
    Column("rank_minor", WholeNumber, nullable=False),
    Column("claim", Text, nullable=False),
)

posting = Table(
    "posting",
    metadata,
    Column("posting_number", WholeNumber, primary_key=True, autoincrement=False),
    Column("leg", Integer, primary_key=True, autoincrement=False),
    Column("report_number", WholeNumber, nullable=False),
    Column("donation_id", WholeNumber, nullable=False),
    Column("account", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("units", Units, nullable=False),
)

total = Table(
    "total",
    metadata,
    Column("method", Text, primary_key=True),
    Column("rail", Text, primary_key=True),
    Column("network", Text, primary_key=True),
    Column("asset", Text, primary_key=True),
    Column("exponent", Integer, primary_key=True, autoincrement=False),
    Column("units", Units(SUM_DIGITS_MAX), nullable=False),
    Column("count", WholeNumber, nullable=False),
)

search_term = Table(
    "search_term",
    metadata,
    Column("term", Text, primary_key=True),
    Column("donation_id", WholeNumber, primary_key=True, autoincrement=False),
)

cursor = Table(
    "cursor",
    metadata,
    Column("source", Text, primary_key=True),
    Column("step", WholeNumber, nullable=False),
    Column("height", WholeNumber),
    Column("block_hash", Text),
    Column("checked_at", WholeNumber, nullable=False),
    Column("memo", Text, nullable=False),
)

source_health = Table(
    "source_health",
    metadata,
    Column("source", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", WholeNumber, nullable=False),
)

source_lease = Table(
    "source_lease",
    metadata,
    Column("source", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("since", WholeNumber, nullable=False),
    Column("until", WholeNumber, nullable=False),
)

set_aside = Table(
    "set_aside",
    metadata,
    Column("source", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", WholeNumber, nullable=False),
    Column("next_try_at", WholeNumber, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("memo", Text, nullable=False),
)

source_freeze = Table(
    "source_freeze",
    metadata,
    Column("id", WholeNumber, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("since", WholeNumber, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("ended_at", WholeNumber),
    Column("ended_by", Text),
    Column("note", Text),
)

personal_data = Table(
    "personal_data",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("body", Text),
    Column("stored_at", WholeNumber, nullable=False),
    Column("erased_at", WholeNumber),
)

staff = Table(
    "staff",
    metadata,
    Column("email", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", WholeNumber, nullable=False),
    Column("disabled_at", WholeNumber),
    # It came later; empty: not since.
    Column("seen_at", WholeNumber),
)

staff_invite = Table(
    "staff_invite",
    metadata,
    Column("token_digest", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("expires_at", WholeNumber, nullable=False),
    Column("used_at", WholeNumber),
)

staff_action = Table(
    "staff_action",
    metadata,
    Column("number", WholeNumber, primary_key=True, autoincrement=False),
    Column("at", WholeNumber, nullable=False),
    Column("by", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("about", Text, nullable=False),
)

staff_session = Table(
    "staff_session",
    metadata,
    Column("token_digest", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("created_at", WholeNumber, nullable=False),
    Column("seen_at", WholeNumber, nullable=False),
    Column("ended_at", WholeNumber),
    # It came later; empty: when it began.
    Column("proved_at", WholeNumber),
)

intent = Table(
    "intent",
    metadata,
    Column("ref", Text, primary_key=True),
    Column("nonce", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("made_at", WholeNumber, nullable=False),
    Column("body", Text, nullable=False),
    Column("personal_digest", Text),
    Column("hash", Text, nullable=False),
)

checkout_attempt = Table(
    "checkout_attempt",
    metadata,
    Column("intent_ref", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started_at", WholeNumber, nullable=False),
    Column("refused_at", WholeNumber),
    Column("session", Text),
    Column("url", Text),
    Column("expires_at", WholeNumber),
)

alias = Table(
    "alias",
    metadata,
    Column("rail", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("report_number", WholeNumber, nullable=False),
    Column("network", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("locator", Text, nullable=False),
)

waiting_claim = Table(
    "waiting_claim",
    metadata,
    Column("report_number", WholeNumber, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("rail", Text, nullable=False),
    Column("rank_major", WholeNumber, nullable=False),
    Column("rank_minor", WholeNumber, nullable=False),
    Column("claim", Text, nullable=False),
    # It came later; empty: not told, and so whatever the money is.
    Column("asset", Text),
)

told_balance = Table(
    "told_balance",
    metadata,
    Column("report_number", WholeNumber, primary_key=True, autoincrement=False),
    Column("network", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("asset", Text, primary_key=True),
    Column("mark", WholeNumber, primary_key=True, autoincrement=False),
    Column("exponent", Integer, nullable=False),
    Column("units", Units(SUM_DIGITS_MAX), nullable=False),
    Column("at", WholeNumber, nullable=False),
)

plan = Table(
    "plan",
    metadata,
    Column("rail", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("intent", Text),
    Column("units", Units, nullable=False),
    Column("currency", Text, nullable=False),
    Column("exponent", Integer, nullable=False),
    Column("frequency", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("changed_at", WholeNumber, nullable=False),
    Column("rank_major", WholeNumber, nullable=False),
    Column("rank_minor", WholeNumber, nullable=False),
    Column("report_number", WholeNumber, nullable=False),
    # It came later; empty: not told.
    Column("terms", Text),
)

known_line = Table(
    "known_line",
    metadata,
    Column("number", WholeNumber, primary_key=True, autoincrement=False),
    Column("locator", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("memo", Text, nullable=False),
    Column("reverses", Text),
)

line_key = Table(
    "line_key",
    metadata,
    Column("key", Text, primary_key=True),
    Column("number", WholeNumber, primary_key=True, autoincrement=False),
)

statement_import = Table(
    "statement_import",
    metadata,
    Column("number", WholeNumber, primary_key=True, autoincrement=False),
    Column("nonce", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("started_at", WholeNumber, nullable=False),
    Column("name", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("digest", Text, nullable=False),
    # Kept until it is booked or given up; every row stands with its line then.
    Column("content", LargeBinary),
    Column("told", Text, nullable=False),
    Column("booked_at", WholeNumber),
    Column("taken_back_at", WholeNumber),
    Column("taken_back_by", Text),
)

import_line = Table(
    "import_line",
    metadata,
    Column("import", WholeNumber, primary_key=True, autoincrement=False),
    Column("line", WholeNumber, primary_key=True, autoincrement=False),
)

support_code = Table(
    "support_code",
    metadata,
    Column("code", Text, primary_key=True),
    Column("intent", Text, nullable=False),
    Column("issued_at", WholeNumber, nullable=False),
)

awaited_sum = Table(
    "awaited_sum",
    metadata,
    Column("intent", Text, primary_key=True),
    Column("network", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("units", Units, nullable=False),
    Column("since", WholeNumber, nullable=False),
    Column("until", WholeNumber, nullable=False),
)

login_attempt = Table(
    "login_attempt",
    metadata,
    Column("id", WholeNumber, primary_key=True),
    Column("bucket", Text, nullable=False),
    Column("at", WholeNumber, nullable=False),
    Column("kept_until", WholeNumber, nullable=False),
)

view_count = Table(
    "view_count",
    metadata,
    # Months of the publisher's, numbered from year 0 on.
    Column("month", WholeNumber, primary_key=True, autoincrement=False),
    Column("subject_digest", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("number", WholeNumber, nullable=False),
)

webhook_count = Table(
    "webhook_count",
    metadata,
    Column("processor", Text, primary_key=True),
    Column("result", Text, primary_key=True),
    Column("number", WholeNumber, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("number", WholeNumber, primary_key=True, autoincrement=False),
    Column("channel", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("thread", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("made_at", WholeNumber, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", WholeNumber, nullable=False),
    Column("next_try_at", WholeNumber, nullable=False),
    Column("give_up_at", WholeNumber, nullable=False),
    Column("taken_by", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("done_at", WholeNumber),
)

outbox_place = Table(
    "outbox_place",
    metadata,
    Column("name", Text, primary_key=True),
    Column("memo", Text, nullable=False),
    Column("moved_at", WholeNumber, nullable=False),
)
