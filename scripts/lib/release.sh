# shellcheck shell=sh
# shellcheck disable=SC2154 # state and here come from scripts/release
# Another release of Debian: its root, made by mmdebstrap, and the namespaces in which it runs.

# shellcheck disable=SC2034 # scripts/release reads it
releases='trixie sid'

# Everything that scripts/engines and scripts/test would install there one by one.
release_packages='ca-certificates procps iproute2 iptables nftables python3 python3-venv
    podman crun runc netavark aardvark-dns catatonit uidmap passt slirp4netns fuse-overlayfs
    docker.io docker-cli rootlesskit docker-registry mmdebstrap debian-archive-keyring'

release_mirror=${BUILDR_TEST_MIRROR:-http://deb.debian.org/debian}
release_bundle=/etc/ssl/certs/ca-certificates.crt
# The state directory of the scripts in there.
release_state=/var/cache/buildr-engines
release_checkouts=/srv/buildr

release_root() {
    printf '%s\n' "$state/releases/$1"
}

# make_release RELEASE : makes its root, unless one of the same recipe exists.
make_release() {
    name=$1
    root=$(release_root "$name")
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    signed=
    [ ! -e "$keys" ] || signed="[signed-by=$keys] "
    # shellcheck disable=SC2086 # a list in lines becomes one of commas
    set -- --variant=minbase --format=directory --include="usr-is-merged,$(echo $release_packages | tr ' ' ,)" \
        --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --dpkgopt=force-unsafe-io \
        --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"'
    # Release files that change daily are valid for a week only, and mirrors may be older.
    [ "$name" != sid ] || set -- "$@" --aptopt='Acquire::Check-Valid-Until "false"'
    # A proxy may use a certificate authority that only this machine's bundle has.
    [ ! -r "$release_bundle" ] || set -- "$@" "--customize-hook=upload $release_bundle $release_bundle"
    set -- "$@" "$name" "$root" "deb $signed$release_mirror $name main"

    stamp=$({ echo "$@" && cat "$release_bundle"; } 2>/dev/null | cksum | cut -d' ' -f1)
    [ "$(cat "$root/buildr-stamp" 2>/dev/null)" != "$stamp" ] || return 0
    remove_release "$name"
    # shellcheck disable=SC2046 # names
    command -v mmdebstrap >/dev/null 2>&1 || apt_install mmdebstrap $(available debian-archive-keyring)
    say "making a root of Debian $name in $root (about half a minute)"
    mkdir -p "$state/releases"
    log=$(mktemp)
    # With a time limit: a mirror may hang.
    timeout --kill-after=60 900 mmdebstrap "$@" >"$log" 2>&1 9>&- || {
        tail -n 20 "$log" >&2
        rm -f "$log"
        remove_release "$name"
        die "mmdebstrap failed to make the root of $name from $release_mirror (see above). Set BUILDR_TEST_MIRROR to use another mirror."
    }
    rm -f "$log"
    echo "$stamp" >"$root/buildr-stamp"
}

remove_release() {
    rm -rf --one-file-system "${state:?}/releases/$1"
    rmdir "$state/releases" 2>/dev/null || :
}

# release_runs RELEASE : true while its first process is alive. The process outside has the root in its command line.
release_runs() {
    running "$(release_root "$1").pid" "$(release_root "$1") "
}

# Prints the first process of a release: the only child of the process that created the namespaces.
release_first() {
    parent=$(cat "$(release_root "$1").pid")
    tr -d ' ' <"/proc/$parent/task/$parent/children"
}

start_release() {
    if release_runs "$1"; then
        return 0
    fi
    make_release "$1"
    root=$(release_root "$1")
    for program in unshare nsenter; do
        command -v "$program" >/dev/null 2>&1 || apt_install util-linux
    done
    say "starting Debian $1 in its own namespaces"
    # All its processes end with the first one.
    rm -rf "${root:?}$release_checkouts" "$root$release_state/up" "$root$release_state/engines.json" "$root/run/buildr-ready"
    setsid unshare --mount --pid --fork --kill-child --net --uts --ipc \
        sh "$here/lib/release-init.sh" "$root" "buildr-$1" >"$root.log" 2>&1 </dev/null 9>&- &
    started=$!
    echo "$started" >"$root.pid"
    ticks=100
    until [ -e "/proc/$started/task/$started/children" ] && first=$(release_first "$1") && [ -n "$first" ] &&
        [ "$(cat "/proc/$first/comm")" = catatonit ]; do
        ticks=$((ticks - 1))
        if [ "$ticks" = 0 ] || ! kill -0 "$started" 2>/dev/null; then
            cat "$root.log" >&2
            end_release "$1"
            die "Debian $1 does not start (see above)."
        fi
        sleep 0.1
    done
    connect_release "$1" "$first"
}

# connect_release RELEASE PID : a network of two addresses with address translation.
connect_release() {
    if ! command -v ip >/dev/null 2>&1 || ! command -v iptables >/dev/null 2>&1; then
        apt_install iproute2 iptables
    fi
    device=$(release_device "$1")
    # Takes the first free block of four addresses in 10.230.0.0/16.
    block=$(($(printf '%s' "$device" | cksum | cut -d' ' -f1) % 16384))
    while :; do
        prefix=10.230.$((block / 64)).$((block % 64 * 4))
        outer=${prefix%.*}.$((${prefix##*.} + 1))
        inner=${prefix%.*}.$((${prefix##*.} + 2))
        ip -oneline -4 address | grep -qF " $outer/" || break
        block=$(((block + 1) % 16384))
    done
    # Use the MTU of the default route.
    way=$(ip -4 route show default | sed -n '1s/.* dev \([^ ]*\).*/\1/p')
    mtu=$(cat "/sys/class/net/$way/mtu" 2>/dev/null || echo 1500)
    ip link add "$device" mtu "$mtu" type veth peer name eth0 mtu "$mtu" netns "$2"
    ip address add "$outer/30" dev "$device"
    ip link set "$device" up
    # shellcheck disable=SC2016 # for the inner shell
    nsenter --target "$2" --net sh -eu -c '
        ip link set lo up
        ip address add "$1/30" dev eth0
        ip link set eth0 up
        ip route add default via "$2"' sh "$inner" "$outer"
    if [ "$(cat /proc/sys/net/ipv4/ip_forward)" != 1 ]; then
        say "letting this machine forward packets (net.ipv4.ip_forward=1), as Docker does"
        echo 1 >/proc/sys/net/ipv4/ip_forward
    fi
    echo "$inner" >"$(release_root "$1").address"
    release_rules -I "$device" "$inner"
}

# At most 15 characters, unique for each state directory and release.
release_device() {
    printf 'bldr%s\n' "$(printf '%s' "$(release_root "$1")" | cksum | cut -d' ' -f1)"
}

# release_rules -I|-D DEVICE ADDRESS : inserts or deletes the rules that forward packets; Docker's policy of the chain
# FORWARD drops them.
release_rules() {
    iptables --wait "$1" FORWARD -i "$2" -j ACCEPT
    iptables --wait "$1" FORWARD -o "$2" -j ACCEPT
    iptables --wait --table nat "$1" POSTROUTING -s "$3" ! -o "$2" -j MASQUERADE
}

end_release() {
    root=$(release_root "$1")
    if release_runs "$1"; then
        say "stopping Debian $1"
        # Stop engines first, so that their storage is consistent.
        first=$(release_first "$1")
        [ ! -s "$root$release_state/engines.json" ] || run_in_release "$1" scripts/engines down || :
        kill -9 "$first" 2>/dev/null || :
        end_process "$root.pid" "$root " 10
    fi
    if [ -s "$root.address" ]; then
        device=$(release_device "$1")
        release_rules -D "$device" "$(cat "$root.address")" 2>/dev/null || :
        ip link delete "$device" 2>/dev/null || :
    fi
    rm -f "$root.pid" "$root.address" "$root.log"
}

# run_in_release RELEASE COMMAND [ARGUMENT...] : runs in a copy of the current checkout.
run_in_release() {
    first=$(release_first "$1")
    root=$(release_root "$1")
    shift
    # One copy per state of the checkout: another command may still use an older one.
    checkout=$release_checkouts/$(tar_checkout "$(dirname -- "$here")" | cksum | cut -d' ' -f1)
    if [ ! -d "$root$checkout" ]; then
        copy_checkout "$(dirname -- "$here")" "$root$checkout.$$"
        mv -T "$root$checkout.$$" "$root$checkout" 2>/dev/null || rm -rf "$root$checkout.$$"
    fi
    # Pass only the settings of proxies and indexes; caches are in the release's own root.
    python3 -I - "$first" "$checkout" "$@" <<'END'
import os, sys
first, checkout, *command = sys.argv[1:]
kept = ("LANG", "LC_", "TERM", "TZ", "PIP_", "SSL_CERT", "http_", "https_", "no_", "HTTP_", "HTTPS_", "NO_")
local = ("PIP_FIND_LINKS", "PIP_CONFIG_FILE", "PIP_CACHE_DIR")  # files of this machine
environ = {name: value for name, value in os.environ.items() if name.startswith(kept) and name not in local}
environ |= {"HOME": "/root", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
enter = ["nsenter", "--target", first, "--mount", "--pid", "--net", "--uts", "--ipc", "--"]
command = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', checkout, *command]
os.execvpe(enter[0], enter + command, environ | {"BUILDR_TEST_OWN_DOCKERD": "1"})
END
}
