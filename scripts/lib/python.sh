# shellcheck shell=sh
# shellcheck disable=SC2154 # root comes from the script that sources this
# A Python that is new enough, and virtual environments made from it.

# suits COMMAND... : true when `COMMAND... -c` runs a Python of 3.11 or newer.
suits() {
    "$@" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Prints a Python of 3.11 or newer that the caller may use: $PYTHON, else the best in PATH.
find_python() {
    for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if suits "$name" && "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

# Prints a Python of 3.11 or newer that every user of the machine may use: the distribution's.
find_system_python() {
    for version in 3 3.14 3.13 3.12 3.11; do
        if suits "/usr/bin/python$version" && "/usr/bin/python$version" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            echo "/usr/bin/python$version"
            return 0
        fi
    done
    return 1
}

# install_python FINDER : prints what FINDER finds, after installing a Python by apt where there is none and we may.
install_python() {
    if "$1"; then
        return 0
    fi
    if ! is_root; then
        die "Python 3.11 or newer with its venv module is needed (Debian and Ubuntu: sudo apt-get install python3 python3-venv). PYTHON names one elsewhere."
    fi
    apt_install python3 python3-venv
    if ! "$1"; then
        # An older release whose python3 is too old may have a newer one beside it.
        for version in 3.14 3.13 3.12 3.11; do
            if [ -n "$(available "python$version-venv")" ]; then
                apt_install "python$version" "python$version-venv"
                break
            fi
        done
        "$1" || die "no Python of 3.11 or newer could be installed from this release's packages."
    fi
}

# make_venv DIRECTORY PYTHON LOCK PROJECT : makes a virtual environment with what requirements/LOCK.txt pins, each file
# checked against its hashes, and an editable installation of the checkout PROJECT. One that was made from the same
# Python, the same lock and the same pyproject.toml is kept as it is.
make_venv() {
    venv=$1
    python=$2
    lock=$root/requirements/$3.txt
    project=$4
    stamp=$({ "$python" -VV && echo "$venv" "$project" && cat "$lock" "$root/pyproject.toml"; } | cksum)
    if [ "$(cat "$venv/buildr-stamp" 2>/dev/null)" = "$stamp" ] && "$venv/bin/python" -c '' 2>/dev/null; then
        return 0
    fi
    # One of ours that was being replaced when this was killed may have lost its pyvenv.cfg.
    if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ] && [ ! -e "$venv/buildr-stamp" ]; then
        die "$venv is there and is not a virtual environment. Move it away, or name another place."
    fi
    say "making a virtual environment in $venv with $("$python" -V)"
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$lock"
    # All that it needs is there: nothing comes from an index any more.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
        --editable "$project"
    echo "$stamp" >"$venv/buildr-stamp"
}
