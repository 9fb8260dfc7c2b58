"""Hosts and addresses: every spelling of one is one value, and what cannot be read is refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support_service.origin import BadAddress, BaseUrl, origin_of, read_base_url, read_host, read_origin

SPELLINGS = {
    "https://example.com": [
        "HTTPS://EXAMPLE.com",
        "https://example.com.",
        "https://example.com:443",
        "https://example.com/",
    ],
    "http://example.com": ["http://example.com:80", "http://example.com:", "http://ｅｘａｍｐｌｅ.com"],
    "https://xn--b1amarcd.xn--j1amh": [
        "https://новини.укр",
        "https://НОВИНИ.укр.",
        "https://XN--b1amarcd.XN--j1amh:443",
    ],
    "https://xn--fa-hia.de": ["https://faß.de"],
    "http://[::1]:8000": ["http://[0:0:0:0:0:0:0:1]:8000", "http://[::0001]:08000"],
    "http://[::ffff:7f00:1]": ["http://[::ffff:127.0.0.1]"],
}
UNREADABLE = [
    "", "example.com", "ftp://example.com", "https://", "https:///support", "https://a b", "https://user@example.com",
    "https://*.example.com", "https://.example.com", "https://a..b", "https://a_b.example", "https://-a.example",
    "https://example.com:0", "https://example.com:65536", "https://example.com:80:80", "https://[::1", "https://::1",
    "https://[fe80::1%25eth0]", "https://127.1", "https://0x7f.0.0.1", "https://2130706433", "https://xn--a",
    "https://xn--zz--zz", "https://ex%61mple.com", "https://a\tb", "https://example.com\n", "https://a\\b", "https://💩.la",
    "https://" + "a" * 64 + ".com", "https://" + "a." * 127 + "com", "https://exa\u200bmple.com", "https://example.com'",
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), [(one, other) for one, many in SPELLINGS.items() for other in many])
def test_all_spellings_of_an_origin_are_one_value(one: str, other: str) -> None:
    assert read_origin(other) == read_origin(one)
    assert str(read_origin(other)) == one


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_names_no_host_is_refused_in_words(text: str) -> None:
    for read in (read_base_url, read_origin, origin_of):
        with pytest.raises(BadAddress) as raised:
            read(text)
        assert str(raised.value).split()[0] in {"must", "has", "holds", "names"}


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("https://example.com", ""),
        ("https://example.com/", ""),
        ("https://example.com/donate", "/donate"),
        ("https://example.com/Donate/now/", "/Donate/now"),
        ("https://example.com/%64onate", "/donate"),
        ("https://example.com/дім", "/%D0%B4%D1%96%D0%BC"),
    ],
)
def test_a_base_address_has_one_prefix_without_a_slash_at_its_end(text: str, prefix: str) -> None:
    base = read_base_url(text)
    assert (base.prefix, base.origin) == (prefix, "https://example.com")
    assert base.url == f"https://example.com{prefix}"
    assert base.policy_source == f"https://example.com{prefix}/"
    assert read_base_url(base.url) == base


@pytest.mark.parametrize(
    "path", ["/a//b", "/a/../b", "/./a", "/a%2fb", "/a%20b", "/a;b", "/a,b", "/a?b", "/a#b", "/%ff", "/a'b", "/a%22"]
)
def test_a_path_that_means_two_things_is_refused(path: str) -> None:
    with pytest.raises(BadAddress):
        read_base_url(f"https://example.com{path}")


@pytest.mark.parametrize(
    "text", ["https://example.com/news", "https://example.com//", "https://example.com?a", "https://example.com#"]
)
def test_an_origin_ends_after_its_host(text: str) -> None:
    with pytest.raises(BadAddress):
        read_origin(text)


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("example.com", "example.com", None),
        ("Example.com.:8000", "example.com", 8000),
        ("новини.укр", "xn--b1amarcd.xn--j1amh", None),
        ("[::1]:8000", "[::1]", 8000),
        ("127.0.0.1", "127.0.0.1", None),
    ],
)
def test_a_host_header_is_read_by_name_and_port(text: str, name: str, port: int | None) -> None:
    host = read_host(text)
    assert (host.name, host.port) == (name, port)


@pytest.mark.parametrize(
    "text", ["", "https://example.com", "example.com/", "*", ".example.com", "a b", "::1", "a:b", "[::1", "a,b"]
)
def test_a_host_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        read_host(text)


def test_a_name_is_shown_as_people_write_it() -> None:
    base = read_base_url("https://xn--80ahmijpip2p.xn--j1amh:8443/%D0%B4%D1%96%D0%BC")
    assert base.shown == "підтримка.укр:8443/дім"


@pytest.mark.parametrize(
    "origin", ["null", "", "https://example.com.evil.example", "http://example.com", "https://example.com:444"]
)
def test_only_our_own_origin_is_ours(origin: str) -> None:
    base = read_base_url("https://example.com/donate")
    assert base.is_origin_of("https://EXAMPLE.com:443")
    assert not base.is_origin_of(origin)


def test_an_address_that_csp_cannot_name_names_itself() -> None:
    assert read_base_url("http://[::1]:8000/donate").policy_source == "'self'"


@given(
    st.text(max_size=40),
    st.sampled_from(["https://{}", "http://{}/", "https://example.com/{}", "https://xn--{}.com", "{}"]),
)
def test_whatever_is_read_is_ascii_and_reads_as_itself(text: str, form: str) -> None:
    try:
        base = read_base_url(form.format(text))
    except BadAddress:
        return
    assert base.url.isascii()
    assert not set(base.url) & set(" ;,'\"<>\\*")
    assert read_base_url(base.url) == base
    assert isinstance(base, BaseUrl)
