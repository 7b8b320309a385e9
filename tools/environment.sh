#!/bin/sh
# Makes or completes .venv: Calor, editable, and the dependency groups named as arguments (test, lint, docs), at the
# versions of the lock. uv does it where it is on the PATH; elsewhere Python's own venv and pip do.
# The variable PYTHON names the interpreter for the second way.
set -eu
cd "$(dirname "$0")/.."
unset VIRTUAL_ENV
export CALOR_BUILD_KERNELS=0 # the Makefile compiles them, with the jaxlib installed here instead of one more

groups=""
for group in "$@"; do groups="$groups --group $group"; done

if command -v uv >/dev/null 2>&1; then
    # shellcheck disable=SC2086  # words are meant to split
    UV_PROJECT_ENVIRONMENT=.venv exec uv sync --locked --inexact --no-default-groups $groups
fi

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            found=$python
            break
        fi
    done
    if [ -z "${found:-}" ]; then
        echo "Calor needs Python 3.11 or newer, and ${PYTHON:-python3} is older or not there:" \
            "install one, or name it with PYTHON=/path/to/python." >&2
        exit 1
    fi
    echo "Making .venv with $("$found" --version); its packages are downloaded once."
    "$found" -m venv --clear .venv
fi
# pip knows dependency groups since 25.1.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
# shellcheck disable=SC2086
.venv/bin/python -m pip install --disable-pip-version-check --constraint constraints.txt $groups --editable .
