#!/bin/sh
# Runs the tests; on Linux without a display, in a virtual one, installing what that needs where it can.
set -eu

PYTHON=${PYTHON:-python}
# Two at a time: tests/conftest.py says how they share.
set -- -n 2 --dist loadgroup "$@"
# More threads than cores wait for each other.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
PACKAGES=$(tr "\n" " " <"$(dirname "$0")/apt-packages.txt")

if [ "$(uname -s)" != Linux ]; then
    exec "$PYTHON" -m pytest "$@"
fi

# Qt needs these libraries with a real display as well.
missing=
command -v xvfb-run >/dev/null 2>&1 || missing=yes
for library in libxcb-cursor.so.0 libxcb-icccm.so.4 libxcb-keysyms.so.1 libxkbcommon-x11.so.0 libEGL.so.1; do
    "$PYTHON" -c "import ctypes; ctypes.CDLL('$library')" >/dev/null 2>&1 || missing=yes
done

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing what a window without a display needs ..."
        apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $PACKAGES >/dev/null
    else
        echo "The tests open real windows. Install Xvfb and Qt's X libraries first; on Debian or Ubuntu:" >&2
        echo "  sudo apt-get install" $PACKAGES >&2
        echo "On other systems install the packages of the same libraries. Then run 'make test' again." >&2
        exit 1
    fi
fi

# The report is tried in a browser where there is one, or can be had; without one those tests are skipped, visibly.
if ! command -v chromedriver >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing a browser for the report's tests ..."
    [ -n "$missing" ] || apt-get update -qq || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver \
        >/dev/null || echo "There is no chromium with its driver to install here." >&2
fi

if [ -n "${DISPLAY:-}" ]; then
    exec "$PYTHON" -m pytest "$@"
fi
exec xvfb-run -a --server-args="-screen 0 1920x1080x24" "$PYTHON" -m pytest "$@"
