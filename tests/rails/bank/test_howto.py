"""The page "Hear your bank" names what the code has: kinds, settings, formats, profiles, times."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

from support_service.rails.bank.calls import PATH
from support_service.rails.bank.live import DAYS_READ_AGAIN
from support_service.rails.bank.settings import KINDS, POLL_SECONDS, POLL_SECONDS_MIN, Bank
from support_service.rails.bank.statements import FORMATS
from support_service.rails.bank.statements.csv_columns import PROFILES

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "support_service/rails/bank/README.md"
TEXT = PAGE.read_text(encoding="utf-8")


def last_cells(after: str) -> set[str]:
    table = TEXT.partition(after)[2].partition("\n\n|")[2].partition("\n\n")[0]
    return {row.split("|")[-2].strip().strip("`") for row in table.splitlines()[2:]}


def test_every_kind_and_every_format_is_named_and_no_other() -> None:
    assert {word for word in KINDS if f"`{word}`" in TEXT} == set(KINDS)
    assert last_cells("## Files") == {one.key for one in FORMATS}
    assert set(re.findall(r"--profile (\w+)", TEXT)) == set(PROFILES)


def test_every_setting_of_an_account_is_named_and_the_example_has_no_other() -> None:
    example = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert example
    (table,) = tomllib.loads(example[1])["banks"]
    known = {one.name for one in fields(Bank)}
    assert table.keys() <= known
    assert [name for name in known if name not in example[1]] == []


def test_times_are_those_of_the_code() -> None:
    assert f"at least {POLL_SECONDS_MIN}" in TEXT
    assert POLL_SECONDS == {"privatbank": 300, "monobank": 60, "monobank_business": 300}
    assert DAYS_READ_AGAIN == 10
    assert TEXT.count("ten days") == 3
    assert f"`{PATH}`" in TEXT


def test_the_readme_leads_there() -> None:
    assert "(support_service/rails/bank/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
