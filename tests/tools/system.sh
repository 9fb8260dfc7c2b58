#!/bin/sh
# Puts the system packages of the tests in place: a browser, an independent QR reader, a load generator, proxies, an
# accounting program, a reader of PDF, a tracer of calls to the kernel, fonts to measure with.
set -u

missing=
# The whole browser does as well, but takes half as long again.
command -v chromium-headless-shell >/dev/null 2>&1 || command -v chromium >/dev/null 2>&1 ||
    missing="$missing chromium-headless-shell"
command -v zbarimg >/dev/null 2>&1 || missing="$missing zbar-tools"
command -v nginx >/dev/null 2>&1 || missing="$missing nginx-light"
command -v caddy >/dev/null 2>&1 || missing="$missing caddy"
command -v hledger >/dev/null 2>&1 || missing="$missing hledger"
command -v minisign >/dev/null 2>&1 || missing="$missing minisign"
command -v pdftotext >/dev/null 2>&1 || missing="$missing poppler-utils"
command -v wrk >/dev/null 2>&1 || missing="$missing wrk"
command -v strace >/dev/null 2>&1 || missing="$missing strace"
ls /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf >/dev/null 2>&1 || missing="$missing fonts-dejavu-core"
ls /usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf >/dev/null 2>&1 || missing="$missing fonts-liberation"
ls /usr/share/fonts/truetype/noto/NotoSans-Regular.ttf >/dev/null 2>&1 || missing="$missing fonts-noto-core"

# A disk that fails: of use to one test, which is left out where this cannot be had.
if ! command -v fiu-run >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    waits="-o Acquire::Retries=0 -o Acquire::http::Timeout=10"
    # shellcheck disable=SC2086 - a list of options
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $waits fiu-utils </dev/null >/dev/null 2>&1
fi
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing$missing ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null >/dev/null &&
        # shellcheck disable=SC2086 - a list of names
        apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null && exit 0
fi
echo "the tests need$missing; install them first (Debian: apt-get install$missing)" >&2
exit 1
