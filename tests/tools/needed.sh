#!/bin/sh
# Names everything this machine lacks, in one line; with --python prints the Python to use.
set -u

# The system's own before a version manager's: it is kept safe by the distribution, and built for speed, where one that
# was compiled at home takes a quarter longer for everything. PYTHON=python3.13 names another.
find_python() {
    for name in ${PYTHON:+"$PYTHON"} /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
        # A version manager's shim may exist and still have nothing behind it, so each is really run.
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

python=$(find_python) || python=
if [ "${1:-}" = --python ]; then
    echo "$python"
    exit 0
fi

missing=
[ -n "$python" ] || missing="$missing, python3 (3.11 or newer) with venv"
for name in make node npm; do
    "$name" --version >/dev/null 2>&1 || missing="$missing, $name"
done
[ -z "$missing" ] && exit 0
echo "missing: ${missing#, } (Debian: apt-get install python3 python3-venv make nodejs npm)" >&2
exit 1
