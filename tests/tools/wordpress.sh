#!/bin/sh
# Puts Debian's WordPress, MariaDB and PHP in place, for `make test-wordpress` alone. Nothing is started: the tests
# start their own and stop them.
set -u

missing=
command -v php >/dev/null 2>&1 || missing="$missing php-cli php-mysql"
command -v mariadbd >/dev/null 2>&1 || missing="$missing mariadb-server"
[ -d /usr/share/wordpress/wp-includes ] || missing="$missing wordpress"
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing$missing ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null >/dev/null &&
        # shellcheck disable=SC2086 - a list of names
        apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null && exit 0
fi
echo "these tests need$missing; install them first (Debian: apt-get install$missing)" >&2
exit 1
