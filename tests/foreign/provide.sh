#!/bin/sh
# Get the foreign parts that the tests talk to: servers and a browser from Debian, JavaScript packages from npm.
# Never fails: a part that cannot be had is named here, and its tests skip with that reason.
# SYSTEM=no leaves the system alone. Nothing is fetched that is there already.
cd "$(dirname "$0")" || exit 0

have() {
    case $1 in
        postgresql) command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 ;;
        chromium) command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
            command -v google-chrome >/dev/null ;;
        prometheus) command -v promtool >/dev/null ;;
        *) command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] ;;
    esac
}

missing=
for part in redis-server postgresql nginx chromium prometheus; do
    have "$part" || missing="$missing $part"
done

if [ -n "$missing" ]; then
    if [ "${SYSTEM:-yes}" = yes ] && [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ]; then
        echo "installing system packages:$missing"
        export DEBIAN_FRONTEND=noninteractive
        # Bounded, so that a machine without network loses seconds, not the whole run.
        if timeout 60 apt-get update -qq </dev/null >/dev/null 2>&1 &&
            timeout 240 apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null 2>&1; then
            missing=
        fi
    fi
    [ -z "$missing" ] || echo "not here, so their tests skip:$missing"
fi

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "not here, so its tests skip: node with npm"
elif [ ! -e node_modules/.stamp ] || [ package-lock.json -nt node_modules/.stamp ]; then
    echo "installing tests/foreign/package-lock.json"
    if timeout 120 npm ci --silent --ignore-scripts --no-audit --no-fund </dev/null; then
        touch node_modules/.stamp
    else
        echo "npm ci failed, so the tests of its packages skip"
    fi
fi
exit 0
