#!/bin/sh
# Find a Python new enough on this machine and let it set up the project's environment. Silent when there is nothing to do.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P) || exit 1
new_enough() {
    "$1" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}
if [ -n "$PYTHON" ]; then
    # The one that is named is used, or none.
    new_enough "$PYTHON" && exec "$PYTHON" -I "$here/setup.py" "$@"
    echo "PYTHON=$PYTHON 不是可用的 Python 3.11 或更高版本 / PYTHON=$PYTHON is no Python 3.11 or newer that runs" >&2
    exit 1
fi
# The environment's own Python is asked first: it is found at once where "python3" is a script that looks for one.
own="$here/../../.venv/bin/python"
if [ -x "$own" ] && "$own" -I -S "$here/setup.py" --is-current 2>/dev/null; then
    exit 0
fi
for python in python3 python3.14 python3.13 python3.12 python3.11; do
    if new_enough "$python"; then
        best=$("$python" -I "$here/interpreters.py" "$python")
        exec "${best:-$python}" -I "$here/setup.py" "$@"
    fi
done
echo "需要 Python 3.11 或更高版本;请安装后重试(Debian/Ubuntu:apt-get install python3 python3-venv) / Python 3.11 or newer is needed; install it and try again (Debian/Ubuntu: apt-get install python3 python3-venv)" >&2
exit 1
