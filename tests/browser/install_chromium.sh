#!/bin/sh
# Make sure that a Chromium can be started here: one on the PATH, or Debian's package, which root can install.
set -eu

is_there() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null
}

install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -qq --no-install-recommends chromium >/dev/null
    is_there
}

if is_there || install; then
    exit 0
fi
cat >&2 <<'END'
**********************************************************************
*                                                                    *
*   THE TESTS IN A BROWSER CANNOT RUN HERE: NO PAGE IS TESTED IN ONE *
*                                                                    *
*   They need chromium, chromium-browser or google-chrome on the     *
*   PATH, or root and apt-get to install Debian's chromium.          *
*                                                                    *
**********************************************************************
END
exit 1
