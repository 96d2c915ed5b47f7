# Functions for scripts that build a Debian root (tests/pi/build, tests/homeassistant/build).
# They use the mirror, the certificates and the package index that this machine uses.
# Sourced by bash; needs `set -euo pipefail`.
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Debian's archive as this machine reaches it; empty, for debootstrap's own choice, where it has
# none configured.
mirror() {
    { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null || true; } |
        grep -m 1 '^https\?://.*/debian/\?$' || true
}

# Makes ROOT of Debian trixie with PACKAGE...; what it prints goes to LOG.
#     bootstrap ROOT LOG PACKAGE...
bootstrap() {
    local root=$1 log=$2 from
    from=$(mirror)
    echo "Building $root from ${from:-Debian}: about two minutes"
    local IFS=,
    debootstrap --variant=minbase --include="${*:3}" trixie "$root" ${from:+"$from"} \
        >"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }
    unset IFS
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    touch "$root/etc/resolv.conf"
}

# Runs COMMAND in ROOT with a way out, as from this machine: names, certificates, index, proxies.
#     outside ROOT COMMAND...
outside() {
    local certificates=${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
    local index name way=() binds=(--bind "$(realpath /etc/resolv.conf):/etc/resolv.conf")
    [ ! -e "$certificates" ] || binds+=(--bind "$certificates:/etc/ssl/certs/ca-certificates.crt")
    index=$("$repository/.venv/bin/python" -m pip config get global.index-url 2>/dev/null || true)
    index=${PIP_INDEX_URL:-$index}
    [ -z "$index" ] || way+=("PIP_INDEX_URL=$index")
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_PROXY; do
        [ -z "${!name:-}" ] || way+=("$name=${!name}")
    done
    way+=(PIP_CERT=/etc/ssl/certs/ca-certificates.crt)
    "$repository/tests/pi/enter" --writable --network "${binds[@]}" "$1" env "${way[@]}" \
        PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_CACHE_DIR=1 "${@:2}"
}

# Says why WHAT cannot build a root here, if it cannot.
#     possible WHAT
possible() {
    [ "$(id -u)" = 0 ] || { echo "$1 builds a Debian root: only root can"; return 1; }
    unshare --mount true 2>/dev/null || { echo "$1 mounts: not allowed here"; return 1; }
}
