"""In a real WordPress: an admin's tag, an author's paste, the card of a link, and the plugin."""

import io
import zipfile
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from support_service.supervisor import reserve_port
from support_service.web.snippet import snippet
from support_service.web.wordpress import plugin_zip
from tests.fixtures import wordpress
from tests.fixtures.browser import PHONE, Visit, serving
from tests.fixtures.site import OWN_URL, site, sites
from tests.fixtures.wordpress import PASSWORD, WordPress

MISSING = wordpress.what_is_missing()
pytestmark = [
    pytest.mark.wordpress,
    pytest.mark.browser,
    pytest.mark.skipif(
        bool(MISSING), reason=f"WordPress cannot be run here, missing: {MISSING}; `make test-wordpress`"
    ),
]
BLOCK = "support-block section"
# WordPress lets no markup into a title, as it lets none into a paragraph of an author.
TITLE, SHOWN = "Дрони & “друге” життя <b>", "Дрони & “друге” життя"


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WordPress]:
    with wordpress.running(tmp_path_factory.mktemp("wordpress")) as made:
        yield made
        assert made.faults == ""


@pytest.fixture(scope="module")
def support(tmp_path_factory: pytest.TempPathFactory, press: WordPress) -> Iterator[Flask]:
    """The support page, which knows the site; served under the address that its settings name."""
    port = reserve_port("127.0.0.1", 0)
    changes = {OWN_URL: f"http://127.0.0.1:{port}", **sites(press.origin)}
    app = site(tmp_path_factory.mktemp("support"), changes)
    with serving(app, port):
        yield app


@pytest.fixture(scope="module")
def plugin(support: Flask, press: WordPress) -> None:
    """The plugin as an admin puts it in; after this the site has it."""
    with zipfile.ZipFile(io.BytesIO(plugin_zip(support))) as archive:
        archive.extractall(press.folder / "wp-content/plugins")
    started = press.run(
        "require 'wp-load.php'; require ABSPATH . 'wp-admin/includes/plugin.php';"
        "$done = activate_plugin('support-block/support-block.php');"
        "echo json_encode([is_wp_error($done) ? $done->get_error_message() : '', wp_create_category($told['name']),"
        "get_plugin_data(WP_PLUGIN_DIR . '/support-block/support-block.php')['Name']]);".replace(
            "wp_create_category($told['name'])", "wp_insert_term($told['name'], 'category')['term_id'] ?? 0"
        ),
        name="Obituaries",
    )
    assert isinstance(started, list) and started[0] == "" and started[2] == "Militarnyi: support block"


def category(press: WordPress) -> int:
    made = press.run("require 'wp-load.php'; echo json_encode((int) get_cat_ID($told['name']));", name="Obituaries")
    assert isinstance(made, int) and made
    return made


def url_of(support: Flask) -> str:
    return str(support.extensions["support"].base_url)


def test_an_admins_tag_works_and_an_authors_paste_keeps_numbers_and_links(
    press: WordPress, support: Flask, visit: Visit
) -> None:
    own = url_of(support)
    script = f'<script async src="{own}/widget.js"></script>'
    tag = f"<!-- wp:html -->\n{snippet(support, 'en', 'block')}{script}\n<!-- /wp:html -->"
    visitor = visit(size=PHONE)
    visitor.page.goto(press.post(tag), wait_until="networkidle")
    assert visitor.page.locator(BLOCK).is_visible()
    link = visitor.page.get_attribute(f"{BLOCK} .all", "href") or ""
    assert parse_qs(urlsplit(link).query)["article"][0].startswith(press.origin)
    visitor.page.goto(press.post(tag, login="author"), wait_until="networkidle")
    assert visitor.page.locator("support-block").count() == 0
    for classic in (False, True):
        if classic:
            visitor.page.goto(press.post(snippet(support, "en", "block"), login="author"), wait_until="networkidle")
        text = visitor.page.inner_text("article")
        assert "Support our work" in text and "By transfer" in text
        visitor.page.click("article summary >> nth=0")
        assert "bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwsd" in visitor.page.inner_text("article")
        visitor.page.click("article details details summary >> nth=0")
        assert visitor.page.get_attribute("article img >> nth=0", "src") == f"{own}/qr/card.png"
        last = visitor.page.locator("article p a").last
        assert (last.get_attribute("href") or "").startswith(f"{own}/support?lang=en")


def test_the_card_of_a_link_shows_numbers_in_its_sandbox_and_leads_to_the_page(
    press: WordPress, support: Flask, visit: Visit
) -> None:
    own = url_of(support)
    post = press.post(f"{own}/support?lang=en\n", login="author")
    plain = visit(has_script=False).page
    plain.goto(post)
    quote = plain.locator("article blockquote a")
    assert (quote.get_attribute("href") or "").startswith(f"{own}/support?lang=en") and quote.is_visible()
    page = visit(size=PHONE).page
    page.goto(post, wait_until="networkidle")
    frame = page.locator("article iframe")
    assert frame.get_attribute("sandbox") == "allow-scripts"
    page.wait_for_function("!document.querySelector('article iframe').hasAttribute('style')")
    assert not page.locator("article blockquote").is_visible()
    inner = page.frame_locator("article iframe")
    inner.locator("summary >> nth=0").click()
    assert "5169 3351 0164 7408" in inner.locator("main").inner_text()
    inner.locator("details details summary >> nth=0").click()
    assert inner.locator("img >> nth=0").is_visible()
    inner.locator("main > p >> nth=-1").locator("a").click()
    page.wait_for_url(f"{own}/support?**")


@pytest.mark.usefixtures("plugin")
def test_the_shortcode_and_the_block_name_the_article_and_its_title(
    press: WordPress, support: Flask, visit: Visit
) -> None:
    visitor = visit()
    for content in (
        '[support_block layout="compact" lang="en"]',
        '<!-- wp:support-block/block {"layout":"compact"} /-->',
    ):
        address = press.post(content, login="author", title=TITLE)
        visitor.page.goto(address, wait_until="networkidle")
        assert visitor.page.locator(BLOCK).count() == 1
        assert visitor.page.get_attribute("support-block", "layout") == "compact"
        link = visitor.page.get_attribute(f"{BLOCK} .all", "href") or ""
        told = parse_qs(urlsplit(link).query)
        assert (told["article"], told["title"]) == ([address], [SHOWN])
    plain = visit(has_script=False).page
    plain.goto(address)
    told = parse_qs(urlsplit(plain.get_attribute("support-block > p:last-child a", "href") or "").query)
    assert (told["article"], told["title"]) == ([address], [SHOWN])


@pytest.mark.usefixtures("plugin")
def test_under_every_article_but_not_in_a_category_nor_on_a_sensitive_story(press: WordPress, visit: Visit) -> None:
    """The settings page and the switch in the editor, pressed by people who may; others are refused."""
    visitor = visit()
    page = visitor.page
    page.goto(f"{press.origin}/wp-login.php")
    page.fill("#user_login", "admin")
    page.fill("#user_pass", PASSWORD)
    page.click("#wp-submit")
    page.wait_for_url("**/wp-admin/**", wait_until="commit")
    story, left_out = press.post("One."), press.post("Two.", categories=[category(press)])
    page.goto(story)
    assert page.locator("support-block").count() == 0
    page.goto(f"{press.origin}/wp-admin/options-general.php?page=support-block")
    page.check("input[name='support_block[everywhere]']")
    page.select_option("select[name='support_block[layout]']", "bar")
    page.check("label:has-text('Obituaries') input")
    page.click("#submit")
    # Not the address: WordPress's own script takes "settings-updated" out of it as soon as the page is there.
    page.wait_for_selector("#setting-error-settings_updated")
    assert page.is_checked("input[name='support_block[everywhere]']")
    page.goto(story)
    assert page.get_attribute("support-block", "layout") == "bar"
    page.goto(left_out)
    assert page.locator("support-block").count() == 0
    number = story.rpartition("=")[2]
    for tone, shown in (("hide", 0), ("soft", 1), ("", 1)):
        # The form alone: the editor's hundred scripts are not what is tried here.
        page.goto(f"{press.origin}/wp-admin/post.php?post={number}&action=edit", wait_until="commit")
        nonce = page.input_value("input[name=support_block_nonce]")
        answer = page.request.post(
            f"{press.origin}/wp-admin/post.php",
            form={
                "post_ID": number,
                "action": "editpost",
                "post_type": "post",
                "_wpnonce": page.input_value("input#_wpnonce >> nth=0"),
                "support_block_nonce": nonce,
                "support_block_tone": tone,
            },
        )
        assert answer.ok
        page.goto(story, wait_until="networkidle")
        told = page.locator("meta[name=support-block]")
        assert (told.get_attribute("content") if told.count() else "") == tone
        assert page.locator("support-block").count() == shown
        assert page.locator(f"{BLOCK} .amount").count() == 0 or tone == ""
    stranger = visit().page
    stranger.goto(f"{press.origin}/wp-login.php")
    stranger.fill("#user_login", "author")
    stranger.fill("#user_pass", PASSWORD)
    stranger.click("#wp-submit")
    stranger.wait_for_url("**/wp-admin/**", wait_until="commit")
    answered = stranger.goto(f"{press.origin}/wp-admin/options-general.php?page=support-block")
    assert answered is not None and answered.status == 403
    refused = stranger.request.post(
        f"{press.origin}/wp-admin/options.php", form={"option_page": "support_block", "action": "update"}
    )
    assert refused.status == 403
    forged = page.request.post(
        f"{press.origin}/wp-admin/options.php", form={"option_page": "support_block", "action": "update"}
    )
    assert forged.status == 403
