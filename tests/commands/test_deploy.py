"""What is unsafe in production is refused, each with what to do; what comes with the product to run it is right."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support_service.door.body import STATEMENTS, WEBHOOKS
from tests.fixtures.service import ROOT, SEED, Command, write_settings

DEPLOY = ROOT / "config" / "deploy"
SAFE = {
    'url = "http://127.0.0.1:8000"': 'url = "https://support.militarnyi.com"',
    "sites = []": 'sites = ["https://militarnyi.com"]',
}


def test_the_first_settings_are_not_for_production(command: Command, settings_file: Path) -> None:
    told = command("--config", settings_file, "check", "--deploy")
    assert told.exit_code == 1
    for key in ("publisher.url: is this machine alone", "publisher.url: is not https", "publisher.sites"):
        assert key in told.stderr
    assert command("--config", settings_file, "check").exit_code == 0


def test_open_files_and_keys_that_sign_are_named(command: Command, settings_file: Path) -> None:
    folder = settings_file.parent
    (folder / "web.secret").write_text("short\n")
    (folder / "web.secret").chmod(0o644)
    settings_file.chmod(0o666)
    assert command("manifest", "keygen", folder / "here.key").exit_code == 0
    told = command("--config", settings_file, "check", "--deploy").stderr
    for said in ("web.secret is open to others", "can be guessed", "support.toml can be written", "here.key signs"):
        assert said in told


@pytest.mark.parametrize("file", ["alerts.yml", "grafana.json"])
def test_every_metric_that_is_watched_exists(file: str) -> None:
    named = set(re.findall(r"support_[a-z_]+", (DEPLOY / file).read_text(encoding="utf-8")))
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "support_service" / "web").rglob("*.py"))
    assert named
    assert {name for name in named if f'"{name}"' not in code} == set()
    if file.endswith("json"):
        assert json.loads((DEPLOY / file).read_text(encoding="utf-8"))["panels"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine")
@pytest.mark.parametrize("unit", ["support.service", "support-backup.service"])
def test_the_units_are_what_systemd_reads(unit: str) -> None:
    said = subprocess.run(
        ["systemd-analyze", "verify", DEPLOY / unit], capture_output=True, text=True, check=False, timeout=60
    ).stderr
    assert [line for line in said.splitlines() if unit in line and "is not executable" not in line] == []


def test_caddy_reads_its_example(tmp_path: Path) -> None:
    command = ["caddy", "adapt", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
    subprocess.run(command, check=True, capture_output=True, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})


def test_nginx_writes_no_query_into_its_logs() -> None:
    """A search of staff is an address with a query: a name, an e-mail."""
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    (form,) = re.findall(r"^log_format without_query (.*);$", text, re.MULTILINE)
    assert set(re.findall(r"\$(\w+)", form)) <= {
        "remote_addr", "time_iso8601", "request_method", "uri", "status", "body_bytes_sent", "request_time",
    }  # fmt: skip
    servers = text.split("\nserver {")[1:]
    assert len(servers) == 2
    for server in servers:
        assert re.findall(r"access_log (.*);", server) == ["/var/log/nginx/support.log without_query"]
        assert re.findall(r"error_log (.*);", server) == ["/var/log/nginx/support-error.log crit"]


def test_nginx_reads_its_example(tmp_path: Path) -> None:
    """But for the certificates, which only the publisher has."""
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    text = re.sub(r"  ssl_certificate.*\n", "", text).replace("listen 443 ssl", "listen 127.0.0.1:65531")
    text = text.replace("/var/cache/nginx/support", str(tmp_path / "cache")).replace(
        "listen 80", "listen 127.0.0.1:65532"
    )
    text = text.replace("/var/log/nginx", str(tmp_path))
    file = tmp_path / "nginx.conf"
    file.write_text(f"pid {tmp_path}/pid; error_log {tmp_path}/log;\nevents {{}}\nhttp {{\n{text}\n}}\n")
    done = subprocess.run(
        ["/usr/sbin/nginx", "-t", "-c", file, "-p", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_the_examples_let_through_is_what_we_take_and_is_encrypted_well() -> None:
    nginx, caddy = ((DEPLOY / name).read_text(encoding="utf-8") for name in ("nginx.conf", "Caddyfile"))
    for sizes in (re.findall(r"client_max_body_size (\d+)m;", nginx), re.findall(r"max_size (\d+)MB", caddy)):
        least, most = sorted(int(size) * 1_000_000 for size in sizes)
        assert least >= WEBHOOKS.bytes_max and most >= STATEMENTS.bytes_max
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in nginx, "Caddy speaks no older one by itself; nginx does"
    for text in (nginx, caddy):
        assert "/webhooks/" in text and "https://support.example.org" in text
    assert "location = /metrics {\n    return 404;" in nginx and "respond /metrics 404" in caddy


def test_safe_settings_pass(command: Command, tmp_path: Path) -> None:
    text = SEED
    for old, new in SAFE.items():
        assert old in text
        text = text.replace(old, new)
    file = write_settings(tmp_path, text + "\n[web]\nproxy_hops = 1\n")
    file.chmod(0o600)
    told = command("--config", file, "check", "--deploy")
    wrong = [line for line in told.stderr.splitlines() if ": warning: " not in line and " can be written" not in line]
    assert wrong == []
