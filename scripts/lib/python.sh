# shellcheck shell=sh
# shellcheck disable=SC2154 # root comes from the script that sources this
# Finds a Python that is new enough, and creates virtual environments with it.

# suits COMMAND... : true if COMMAND is Python 3.11 or newer.
suits() {
    "$@" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Prints a Python 3.11 or newer for the caller: $PYTHON, else the best in PATH.
find_python() {
    for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if suits "$name" && "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

# Prints a Python 3.11 or newer that every user of the machine can run: the distribution's.
find_system_python() {
    for version in 3 3.14 3.13 3.12 3.11; do
        if suits "/usr/bin/python$version" && "/usr/bin/python$version" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            echo "/usr/bin/python$version"
            return 0
        fi
    done
    return 1
}

# install_python FINDER : prints what FINDER finds; installs a Python with apt if there is none and we may.
install_python() {
    if "$1"; then
        return 0
    fi
    if ! is_root; then
        die "Python 3.11 or newer with its venv module is needed (Debian and Ubuntu: sudo apt-get install python3 python3-venv). Set PYTHON to use another one."
    fi
    apt_install python3 python3-venv
    if ! "$1"; then
        # An older release may have a newer Python beside its python3.
        for version in 3.14 3.13 3.12 3.11; do
            if [ -n "$(available "python$version-venv")" ]; then
                apt_install "python$version" "python$version-venv"
                break
            fi
        done
        "$1" || die "this release has no package of Python 3.11 or newer."
    fi
}

# make_venv DIRECTORY PYTHON LOCK PROJECT : creates a virtual environment with what requirements/LOCK.txt pins, checked
# against its hashes, and an editable installation of the checkout PROJECT. An existing one is reused if Python, the
# lock and pyproject.toml are the same.
make_venv() {
    venv=$1
    python=$2
    lock=$root/requirements/$3.txt
    project=$4
    stamp=$({ "$python" -VV && echo "$venv" "$project" && cat "$lock" "$root/pyproject.toml"; } | cksum)
    if [ "$(cat "$venv/buildr-stamp" 2>/dev/null)" = "$stamp" ] && "$venv/bin/python" -c '' 2>/dev/null; then
        return 0
    fi
    # If we were killed while replacing it, pyvenv.cfg may be missing.
    if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ] && [ ! -e "$venv/buildr-stamp" ]; then
        die "$venv exists and is not a virtual environment. Move it away, or choose another directory."
    fi
    say "creating a virtual environment in $venv with $("$python" -V)"
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$lock"
    # All requirements are installed: nothing comes from an index any more.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
        --editable "$project"
    echo "$stamp" >"$venv/buildr-stamp"
}
