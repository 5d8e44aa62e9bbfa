#!/bin/sh
# Get the peers of the benchmark suite: servers from Debian, the others from requirements.lock into an environment of
# their own. Never fails: a peer that cannot be had is named by the suite, which leaves it out.
# provide.sh PYTHON ENVIRONMENT; SYSTEM=no leaves the system alone. Nothing is fetched that is there already.
python=$1
environment=$2
lock=$(dirname "$0")/requirements.lock

missing=
for part in nginx haproxy; do
    command -v "$part" >/dev/null || [ -x "/usr/sbin/$part" ] || missing="$missing $part"
done
if [ -n "$missing" ] && [ "${SYSTEM:-yes}" = yes ] && [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ]; then
    echo "installing system packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # Bounded, so that a machine without network loses seconds, not the whole run.
    # shellcheck disable=SC2086 # several words
    timeout 60 apt-get update -qq </dev/null >/dev/null 2>&1 &&
        timeout 240 apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null 2>&1 ||
        echo "could not be installed:$missing"
fi

if [ ! -e "$environment/.stamp" ] || [ "$lock" -nt "$environment/.stamp" ]; then
    echo "installing $lock into $environment"
    if "$python" -m venv --clear "$environment" && timeout 600 "$environment/bin/python" -m pip install -qq --no-input \
        --disable-pip-version-check --no-deps --require-hashes -r "$lock" </dev/null; then
        touch "$environment/.stamp"
    else
        echo "the peers from $lock could not be installed"
    fi
fi
exit 0
