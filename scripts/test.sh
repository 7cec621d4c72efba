#!/bin/sh
# Runs the tests; on Linux without a display, in a virtual one, installing what that needs where it can.
set -eu

PYTHON=${PYTHON:-python}
PACKAGES="xvfb xauth libegl1 libgl1 libgl1-mesa-dri libdbus-1-3 libfontconfig1 libglib2.0-0 libx11-xcb1
libxkbcommon0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-glx0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-shm0 libxcb-sync1 libxcb-util1 libxcb-xfixes0 libxcb-xkb1"

if [ "$(uname -s)" != Linux ]; then
    exec "$PYTHON" -m pytest "$@"
fi

# Qt needs these libraries with a real display as well; the newest of them stands for all.
missing=
command -v xvfb-run >/dev/null 2>&1 || missing=yes
for library in libxcb-cursor.so.0 libxcb-icccm.so.4 libxcb-keysyms.so.1 libxkbcommon-x11.so.0 libEGL.so.1; do
    "$PYTHON" -c "import ctypes, sys; ctypes.CDLL('$library')" >/dev/null 2>&1 || missing=yes
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

if [ -n "${DISPLAY:-}" ]; then
    exec "$PYTHON" -m pytest "$@"
fi
exec xvfb-run -a --server-args="-screen 0 1920x1080x24" "$PYTHON" -m pytest "$@"
