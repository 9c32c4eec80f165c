#!/usr/bin/env bash
# Debian packages for the quick start, with root or without.
#
#   apt.sh install PACKAGE...           as root: installs them; services are not started
#   apt.sh unpack FOLDER PACKAGE...     as anybody: fetches them and what they need beyond what is
#                                       installed, and unpacks all of it under FOLDER
#
# Exit status 3: this is no Debian (or relative), or not allowed here.

set -euo pipefail

say() { printf '  %s\n' "$*" >&2; }

give_up() { say "$*"; exit 3; }

# Installs without starting: a machine that gets a Redis for a demo shall not serve one from now on.
install() {
    [ "$(id -u)" = 0 ] || give_up "installing packages needs root"
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    local options=(-y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    say "apt-get install $*"
    if ! apt-get "${options[@]}" install "$@" </dev/null >/dev/null 2>&1; then
        say "apt-get update"
        apt-get -qq -o DPkg::Lock::Timeout=300 update </dev/null >&2
        apt-get "${options[@]}" install "$@" </dev/null >&2
    fi
}

# apt with lists and caches of its own, so that no root is needed and nothing of the system changes.
private_apt() {
    apt-get -qq -o Dir::State="$APT/state" -o Dir::State::status=/var/lib/dpkg/status \
        -o Dir::Cache="$APT/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User="" "$@" </dev/null
}

unpack() {
    local folder=$1
    PARTIAL=$folder.partial
    shift
    APT=$(mktemp -d)
    trap 'rm -rf "$APT" "$PARTIAL"' EXIT
    mkdir -p "$APT/state/lists/partial" "$APT/cache/archives/partial" "$APT/debs"
    say "apt-get update (in $APT)"
    private_apt update >&2
    # What a real installation would add is what is missing: no more, and no less.
    local needed
    needed=$(private_apt -s --no-install-recommends install "$@" | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
    # Asked for, and installed though not found where we look: then unpack just those.
    [ -n "$needed" ] || needed="$*"
    say "downloading $(wc -w <<<"$needed") packages"
    # shellcheck disable=SC2086 # a list of words
    (cd "$APT/debs" && private_apt download $needed >&2)
    say "unpacking to $folder"
    rm -rf "$PARTIAL"
    mkdir -p "$PARTIAL"
    local package
    for package in "$APT"/debs/*.deb; do
        dpkg-deb -x "$package" "$PARTIAL"
    done
    # Debian's Erlang believes that it lives in /usr/lib/erlang.
    local script
    for script in "$PARTIAL"/usr/lib/erlang/bin/{erl,start} \
        "$PARTIAL"/usr/lib/erlang/erts-*/bin/{erl,start}; do
        [ ! -f "$script" ] || sed -i "s,=/usr/lib/erlang,=$folder/usr/lib/erlang," "$script"
    done
    rm -rf "$folder"
    mv "$PARTIAL" "$folder"
}

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "there is no apt-get here"
case "${1:-}" in
    install | unpack) "$@" ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
