"""Alembic's entry: runs on the connection it is given; there is no other way to call it."""

from typing import Any

from alembic import context

_GIVEN = context.config.attributes


def _note(ctx: object, step: Any, heads: object, run_args: object) -> None:  # noqa: ARG001 - called by name
    _GIVEN["applied"].append(step.up_revision_id)


# The caller's transaction holds all of it: SQLite and PostgreSQL both take table changes back.
context.configure(connection=_GIVEN["connection"], transactional_ddl=True, on_version_apply=_note)
context.run_migrations()
