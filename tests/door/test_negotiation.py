"""What a client takes, by the grammar of RFC 9110 (12.5.3, 13.1.2), its examples among the cases."""

import pytest

from support_service.door.negotiation import coding, holds


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("compress, gzip", "gzip"),
        ("*", "br"),
        ("compress;q=0.5, gzip;q=1.0", "gzip"),
        ("gzip;q=1.0, identity; q=0.5, *;q=0", "gzip"),
        ("br;q=0.2, gzip;q=0.8", "gzip"),
        ("gzip;q=0", ""),
        ("gzip;q=0.000, br;q=0.0", ""),
        ("gzip; q=0 , *", "br"),
        ("*;q=0", ""),
        ("identity, gzip;q=0.5", ""),
        ("gzip;q=2", ""),
        ("gzip;q=", ""),
        ("gzip;level=9", ""),
        ("notgzip", ""),
        ("gzip-foo, bro", ""),
        ("gzip;q=0.1234", ""),
        (",, gzip ,", "gzip"),
        ("gzip;q=0, gzip", ""),
    ],
)
def test_a_coding_is_chosen_by_name_and_weight(accepted: str, chosen: str) -> None:
    assert coding(accepted) == chosen


@pytest.mark.parametrize(
    ("fields", "is_held"),
    [
        ([], False),
        (['W/"a"'], True),
        (['"a"'], True),
        (["*"], True),
        (['"b", W/"a"'], True),
        (['"b"', '"a"'], True),
        (['"b,a"'], False),
        (['"b" "a"'], False),
        (["a"], False),
        (['W/"ab"'], False),
    ],
)
def test_a_tag_is_held_where_one_of_the_list_is_it(fields: list[str], *, is_held: bool) -> None:
    assert holds(fields, "a") is is_held
