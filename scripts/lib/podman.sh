# shellcheck shell=sh
# shellcheck disable=SC2154 # state, run, here and the like come from scripts/engines
# Podman: its packages, the rootful and rootless test engines, and the caller's own Podman.

install_podman() {
    if command -v podman >/dev/null 2>&1 && command -v newuidmap >/dev/null 2>&1 &&
        { command -v slirp4netns >/dev/null 2>&1 || command -v pasta >/dev/null 2>&1; }; then
        return 0
    fi
    if ! is_root; then
        die "Podman is incomplete (it needs podman, newuidmap, and slirp4netns or pasta) and only root can install it: sudo apt-get install podman uidmap slirp4netns"
    fi
    runtime=crun
    [ "$(cgroup_mode)" != hybrid ] || runtime='crun runc'
    # Not every release has all of these; podman's own requirements are its dependencies. netavark runs iptables in
    # older releases and nft in newer ones, and depends on neither.
    # shellcheck disable=SC2046,SC2086
    apt_install podman uidmap slirp4netns catatonit iptables \
        $(available $runtime netavark aardvark-dns nftables passt fuse-overlayfs)
}

install_runtime() {
    if [ "$(cgroup_mode)" = hybrid ]; then
        command -v runc >/dev/null 2>&1 || apt_install runc
        say_once hybrid "cgroup v1 in hybrid mode: Podman uses runc here, since crun refuses it"
    fi
}

# Engines mount into containers, and rootless Podman warns at each command unless mounts propagate from /. On most
# machines systemd takes care of that.
share_root_mount() {
    if ! grep -q '^[0-9]* [0-9]* [^ ]* [^ ]* / .* shared:' /proc/self/mountinfo; then
        say "making / a shared mount (mount --make-rshared /), as systemd does"
        mount --make-rshared /
    fi
}

up_podman_root() {
    if ! is_root; then
        left_out podman-root "it needs root"
        return 0
    fi
    install_podman
    install_runtime
    share_root_mount
    begin_empty podman-root "$state/podman-root/storage" "$run/storage"
    mkdir -p "$state/podman-root/networks" "$run/libpod"
    may_raise_limits || say_once limits "root may not raise limits here: containers of root Podman get the present ones"
    containers_conf root | put "$state/podman-root/containers.conf"
    ! grep -q netavark "$state/podman-root/containers.conf" ||
        default_network | put "$state/podman-root/networks/podman.json"
    storage_conf "$state/podman-root/storage" "$run/storage" | put "$state/podman-root/storage.conf"
    registries_conf | put "$state/podman-root/registries.conf"
    fragment podman-root podman - 0 /root \
        "CONTAINERS_CONF=$state/podman-root/containers.conf" \
        "CONTAINERS_STORAGE_CONF=$state/podman-root/storage.conf" \
        "CONTAINERS_REGISTRIES_CONF=$state/podman-root/registries.conf" \
        PODMAN_IGNORE_CGROUPSV1_WARNING=1
    answers podman-root podman info
}

# Creates the user of the rootless engines and what it needs on the machine; sets uid and home.
prepare_test_user() {
    if ! id "$test_user" >/dev/null 2>&1; then
        say "adding the user $test_user for rootless engines"
        useradd --create-home --shell /bin/sh "$test_user"
    fi
    uid=$(id -u "$test_user")
    home=$(getent passwd "$test_user" | cut -d: -f6)
    with_slots give_subordinate_ids
    if [ ! -d "/run/user/$uid" ]; then
        mkdir -p /run/user
        mkdir -m 700 "/run/user/$uid"
        chown "$test_user:" "/run/user/$uid"
    fi
    # Rootless networking opens it; on most machines udev makes it accessible to everyone.
    if [ ! -c /dev/net/tun ]; then
        say "creating the device /dev/net/tun"
        mkdir -p /dev/net
        mknod -m 666 /dev/net/tun c 10 200
    elif ! as_test_user sh -c ': <>/dev/net/tun' 2>/dev/null; then
        say "making /dev/net/tun accessible to everyone (chmod 666), as udev does"
        chmod 666 /dev/net/tun
    fi
    if [ -c /dev/fuse ] && ! as_test_user sh -c ': <>/dev/fuse' 2>/dev/null; then
        say "making /dev/fuse accessible to everyone (chmod 666), as udev does"
        chmod 666 /dev/fuse
    fi
}

give_subordinate_ids() {
    ! grep -q "^$test_user:" /etc/subuid || ! grep -q "^$test_user:" /etc/subgid || return 0
    first=$(awk -F: '$2 + $3 > top {top = $2 + $3} END {print (top > 100000 ? top : 100000)}' /etc/subuid /etc/subgid)
    say "giving $test_user subordinate ids $first-$((first + 65535))"
    usermod --add-subuids "$first-$((first + 65535))" --add-subgids "$first-$((first + 65535))" "$test_user"
}

up_podman_rootless() {
    if ! is_root; then
        mkdir -p "$state/podman-rootless"
        registries_conf | put "$state/podman-rootless/registries.conf"
        up_podman_own podman-rootless "CONTAINERS_REGISTRIES_CONF=$state/podman-rootless/registries.conf"
        return 0
    fi
    install_podman
    install_runtime
    share_root_mount
    prepare_test_user
    begin_empty podman-rootless "$state/podman-rootless/storage"
    mkdir -p "$state/podman-rootless/storage"
    chown "$test_user:" "$state/podman-rootless/storage"
    containers_conf test-user | put "$state/podman-rootless/containers.conf"
    storage_conf "$state/podman-rootless/storage" "/run/user/$uid/containers" | put "$state/podman-rootless/storage.conf"
    registries_conf | put "$state/podman-rootless/registries.conf"
    fragment podman-rootless podman "$test_user" "$uid" "$home" \
        "HOME=$home" "USER=$test_user" "LOGNAME=$test_user" "SHELL=/bin/sh" "PATH=$plain_path" \
        "XDG_RUNTIME_DIR=/run/user/$uid" \
        "CONTAINERS_CONF=$state/podman-rootless/containers.conf" \
        "CONTAINERS_STORAGE_CONF=$state/podman-rootless/storage.conf" \
        "CONTAINERS_REGISTRIES_CONF=$state/podman-rootless/registries.conf" \
        PODMAN_IGNORE_CGROUPSV1_WARNING=1
    answers podman-rootless podman info
}

# up_podman_own NAME [VARIABLE=VALUE...] : the caller's own Podman with its storage and settings, except for settings
# that cannot work on this machine.
up_podman_own() {
    name=$1
    shift
    install_podman
    install_runtime
    if is_root; then
        share_root_mount
        conf=$(containers_conf caller-root)
    else
        conf=$(containers_conf caller)
    fi
    if [ "$(printf '%s\n' "$conf" | grep -c =)" != 0 ]; then
        mkdir -p "$state/$name"
        printf '%s\n' "$conf" | put "$state/$name/containers.conf"
        set -- "$@" "CONTAINERS_CONF=$state/$name/containers.conf"
    fi
    if ! is_root && [ -z "${XDG_RUNTIME_DIR:-}" ] && [ -d "/run/user/$(id -u)" ]; then
        set -- "$@" "XDG_RUNTIME_DIR=/run/user/$(id -u)"
    fi
    fragment "$name" podman - "$(id -u)" "$HOME" "$@"
    answers "$name" podman info
}

# A clean environment, so that no setting of root reaches the other user.
as_test_user() {
    setpriv --reuid="$test_user" --regid="$(id -g "$test_user")" --init-groups \
        env -i HOME="$(getent passwd "$test_user" | cut -d: -f6)" PATH="$plain_path" "$@"
}

# Stops what Podman left running for our engines: idle services and the helpers of rootless containers. These are
# processes whose environment names our configuration; of a caller's own Podman, only its services.
end_podman() {
    for engine in podman-root podman-rootless; do
        helpers='podman|catatonit|conmon|slirp4netns|pasta|rootlessport|fuse-overlayfs|aardvark-dns'
        is_root || helpers=podman
        for directory in /proc/[0-9]*; do
            if {
                grep -qxE "$helpers" "$directory/comm" &&
                    tr '\0' '\n' <"$directory/environ" | grep -qE "^CONTAINERS_(REGISTRIES_)?CONF=$state/$engine/"
            } 2>/dev/null; then
                kill "${directory#/proc/}" 2>/dev/null || :
            fi
        done
    done
}
