"""Gifts are found by the e-mail that was told before their last word, and by who chose them; both go when erased.

This file is frozen: databases in the field were made by it. Search terms are derived; `derived.py` writes them anew.
"""

from alembic import op

revision = "0020"
down_revision = "0019"

# A body of personal data begins by naming the money or the choice that it belongs to.
_OF = "substr(OLD.body, 8, {limit})"
_FORGET = """DELETE FROM search_term WHERE term >= '~' AND donation_id IN (
    SELECT id FROM donation WHERE personal_digest = NEW.digest
    UNION SELECT id FROM donation WHERE ref = {of}
    UNION SELECT id FROM donation WHERE intent = {of}
)"""


def upgrade() -> None:
    """Let erased data take with them the words of all gifts that they belong to."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        of = _OF.format(limit="instr(substr(OLD.body, 8), '\"') - 1")
        connection.exec_driver_sql("DROP TRIGGER personal_data_forgotten")
        connection.exec_driver_sql(
            "CREATE TRIGGER personal_data_forgotten AFTER UPDATE OF body ON personal_data "
            f"WHEN NEW.body IS NULL BEGIN {_FORGET.format(of=of)}; END"
        )
    else:
        of = _OF.format(limit="greatest(strpos(substr(OLD.body, 8), '\"') - 1, 0)")
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION forget_person() RETURNS trigger LANGUAGE plpgsql "
            f"AS $$ BEGIN {_FORGET.format(of=of)}; RETURN NULL; END $$"
        )
    connection.exec_driver_sql("DELETE FROM search_term")
