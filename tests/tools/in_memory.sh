#!/bin/sh
# Runs pytest with its temporary files in memory, where there is plenty of it: tests commit thousands of times, each
# time to be sure of it, and a disk makes them wait. Nothing that they prove needs the disk itself.
set -u

room=
free=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
if [ "${free:-0}" -gt 4000000 ]; then
    room=$(mktemp -d /dev/shm/support-tests-XXXXXX 2>/dev/null) || room=
fi
if [ -n "$room" ]; then
    trap 'rm -rf "$room"' EXIT
    trap 'exit 130' INT TERM
    # Others than us, such as PostgreSQL's user, find their folders in there.
    chmod 711 "$room"
    export TESTS_ROOM="$room"
    # A fresh environment is set up in there, too: files must be allowed to run.
    printf '#!/bin/sh\n' >"$room/runs" && chmod +x "$room/runs" && "$room/runs" && set -- "$@" "--basetemp=$room/tests"
fi
# The processes that tests start by the hundred would compile all of our code, each anew.
unset PYTHONDONTWRITEBYTECODE
"$@"
