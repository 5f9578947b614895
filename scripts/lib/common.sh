# shellcheck shell=sh
# Shared by the scripts, which source it; `me` is the name of the sourcing script.

# Prints one line to stderr; stdout is for results.
say() {
    printf '%s: %s\n' "${me:-scripts}" "$*" >&2
}

# say_once KEY TEXT : prints TEXT once per KEY until the next `engines down`.
say_once() {
    key=$1
    shift
    # shellcheck disable=SC2154 # the script sets state from state_dir
    mkdir -p "$state/up/said"
    [ -e "$state/up/said/$key" ] || say "$*"
    : >"$state/up/said/$key"
}

# Prints an error and exits with status 1.
die() {
    say "error: $*"
    exit 1
}

is_root() {
    [ "$(id -u)" = 0 ]
}

# True if the machine's init is systemd.
has_systemd() {
    [ -d /run/systemd/system ]
}

# Prints v2, hybrid or v1.
cgroup_mode() {
    if [ "$(stat -f -c %T /sys/fs/cgroup 2>/dev/null)" = cgroup2fs ]; then
        echo v2
    elif grep -q ' - cgroup2 ' /proc/self/mountinfo; then
        echo hybrid
    else
        echo v1
    fi
}

# True if the process may raise resource limits (CAP_SYS_RESOURCE, bit 24), as root Podman does by default.
may_raise_limits() {
    caps=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
    [ $(((0x$caps >> 24) & 1)) = 1 ]
}

# Prints the directory of all state: engines' storage, caches, sockets, logs. It is not in /var/tmp, where
# systemd-tmpfiles removes single old files, even from an engine's storage.
state_dir() {
    if is_root; then
        dir=${BUILDR_TEST_STATE:-/var/cache/buildr-engines}
    else
        dir=${BUILDR_TEST_STATE:-${XDG_CACHE_HOME:-$HOME/.cache}/buildr/engines}
    fi
    case $dir in
        /*) ;;
        *) die "BUILDR_TEST_STATE must be an absolute path, not '$dir'." ;;
    esac
    case $dir in
        *[!A-Za-z0-9/._+-]*) die "the state directory '$dir' has a character that is not allowed in engines' configuration files; set BUILDR_TEST_STATE." ;;
    esac
    if [ -L "$dir" ] || { [ -e "$dir" ] && [ ! -O "$dir" ]; }; then
        # As root, follow no link and use no directory that another user can change.
        die "$dir is a link or belongs to another user. Set BUILDR_TEST_STATE to a directory of your own."
    fi
    mkdir -p "$dir"
    is_root && chmod 755 "$dir"
    printf '%s\n' "$dir"
}

# copy_checkout FROM TO : copies a checkout without generated files; replaces TO.
copy_checkout() {
    rm -rf "$2"
    mkdir -p "$2"
    tar_checkout "$1" | tar -C "$2" --no-same-owner -xf -
}

tar_checkout() {
    tar -C "$1" -cf - --sort=name --exclude=./.git --exclude-tag-all=pyvenv.cfg --exclude=__pycache__ --exclude='./.coverage*' \
        --exclude=./.hypothesis --exclude='./.*_cache' --exclude=./dist --exclude=./build .
}

# apt_install PACKAGE... : installs what is missing. Refreshes the package lists only when apt fails without.
apt_install() {
    missing=
    for package in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
            installed) ;;
            *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 || die "there is no apt-get; install$missing by hand and try again."
    is_root || die "missing:$missing. Install them (sudo apt-get install$missing) or run this as root."
    apt_log=$(mktemp)
    # Lock: apt waits for another installation, but not for another update of the package lists.
    (
        flock 7
        say "installing with apt:$missing"
        # shellcheck disable=SC2086 # package names, split on purpose
        if ! apt_get install --no-install-recommends $missing; then
            say "updating apt's package lists"
            apt_get update || say "apt-get update failed; trying with the existing lists"
            # shellcheck disable=SC2086
            apt_get install --no-install-recommends $missing || {
                cat "$apt_log" >&2
                die "apt could not install$missing (see above)."
            }
        fi
    ) 7>"$(state_dir)/apt.lock"
    rm -f "$apt_log"
}

# Non-interactive and silent apt-get: its output goes to $apt_log. The timeout is for fresh machines, where unattended
# upgrades may hold the lock at first.
apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
        "$@" >>"$apt_log" 2>&1 </dev/null
}

# available PACKAGE... : prints those of the packages that this release of the distribution has.
available() {
    for package in "$@"; do
        if apt-cache show --no-all-versions "$package" >/dev/null 2>&1; then
            printf '%s ' "$package"
        fi
    done
}

# running PIDFILE WORD : true if the process of the pid file is alive and has WORD in its command line, which a process
# with a recycled pid does not.
running() {
    [ -s "$1" ] || return 1
    pid=$(cat "$1")
    { tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$2"; } 2>/dev/null
}

# end_process PIDFILE WORD SECONDS : terminates the process, waits, and kills it if it is still alive.
end_process() {
    if running "$1" "$2"; then
        pid=$(cat "$1")
        kill "$pid" 2>/dev/null || :
        ticks=$(($3 * 10))
        while running "$1" "$2" && [ "$ticks" -gt 0 ]; do
            sleep 0.1
            ticks=$((ticks - 1))
        done
        ! running "$1" "$2" || kill -9 "$pid" 2>/dev/null || :
    fi
    rm -f "$1"
}
