# shellcheck shell=sh
# shellcheck disable=SC2154 # state, run, here and the like come from scripts/engines
# Configuration files for Podman, with only what a machine needs, read through environment variables.

# at_most NUMBER LIMIT : prints the smaller of the two, where the limit may be "unlimited".
at_most() {
    if [ "$2" != unlimited ] && [ "$2" -lt "$1" ]; then
        echo "$2"
    else
        echo "$1"
    fi
}

# containers_conf root|test-user|caller-root|caller : prints a containers.conf with only what this machine needs.
# The first two are for engines of our own, the others for the machine's Podman as it is.
containers_conf() {
    journal=no
    if has_systemd && [ "$1" != test-user ]; then
        journal=yes
    fi
    echo "# Written by scripts/engines; read only through CONTAINERS_CONF."
    echo "[containers]"
    case $1 in
        root | caller-root)
            if ! may_raise_limits; then
                # Root Podman asks for more than the hard limits and cannot have it here
                # ("error setting rlimit type 7"); close to them is refused as well ("type 6").
                files=$(at_most 20000 "$(sed -n 's/^Max open files *[^ ]* *\([^ ]*\).*/\1/p' /proc/self/limits)")
                tasks=$(at_most 4096 "$(sed -n 's/^Max processes *[^ ]* *\([^ ]*\).*/\1/p' /proc/self/limits)")
                echo "default_ulimits = [\"nofile=$files:$files\", \"nproc=$tasks:$tasks\"]"
            fi
            ;;
    esac
    # No journal to write to, or none that this user may read.
    [ $journal = yes ] || echo 'log_driver = "k8s-file"'
    echo "[engine]"
    if [ $journal = no ]; then
        # No systemd to ask for a cgroup, or no session of it for this user.
        echo 'cgroup_manager = "cgroupfs"'
        echo 'events_logger = "file"'
    fi
    if [ "$(cgroup_mode)" = hybrid ]; then
        # crun refuses: "cgroups in hybrid mode not supported".
        echo 'runtime = "runc"'
    fi
    if [ "$1" = root ]; then
        # A storage of our own wants its own run-time files and locks beside the machine's.
        echo "tmp_dir = \"$run/libpod\""
        echo 'lock_type = "file"'
    fi
    echo "[network]"
    # Without systemd the machine is a bare one, on which a left-over of an older Podman may make it choose CNI,
    # whose programs are not there.
    if { [ -x /usr/lib/podman/netavark ] || [ -x /usr/libexec/podman/netavark ]; } &&
        { ! has_systemd || [ "$1" = root ] || [ "$1" = test-user ]; }; then
        echo 'network_backend = "netavark"'
    fi
    if [ "$1" = root ]; then
        echo "network_config_dir = \"$state/podman-root/networks\""
        slot=$(slot)
        echo "default_subnet = \"$(network "$slot" 2).0/24\""
        echo "default_subnet_pools = [{\"base\" = \"$(network "$slot" 24).0/21\", \"size\" = 24}]"
    fi
}

# default_network : prints the configuration of netavark's default network, whose bridge would have the same name everywhere.
default_network() {
    slot=$(slot)
    cat <<END
{
    "name": "podman",
    "id": "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9",
    "driver": "bridge",
    "network_interface": "bldr-podman$slot",
    "created": "2026-01-01T00:00:00Z",
    "subnets": [{"subnet": "$(network "$slot" 2).0/24", "gateway": "$(network "$slot" 2).1"}],
    "ipv6_enabled": false,
    "internal": false,
    "dns_enabled": false,
    "ipam_options": {"driver": "host-local"}
}
END
}

# storage_conf STORAGE RUN : prints a storage.conf. Where the kernel has no native overlay for the user,
# the storage library takes fuse-overlayfs by itself.
storage_conf() {
    echo "# Written by scripts/engines; read only through CONTAINERS_STORAGE_CONF."
    echo "[storage]"
    echo 'driver = "overlay"'
    echo "graphroot = \"$1\""
    echo "rootless_storage_path = \"$1\"" # a plain user's Podman takes no other from a file that a variable names
    echo "runroot = \"$2\""
}

registries_conf() {
    echo "# Written by scripts/engines; read only through CONTAINERS_REGISTRIES_CONF."
    echo 'unqualified-search-registries = ["docker.io"]'
    for port in $(registry_ports); do
        echo "[[registry]]"
        echo "location = \"127.0.0.1:$port\""
        echo "insecure = true"
    done
}

# put FILE : writes stdin to FILE unless it says so already, so that a running service keeps what it has read.
put() {
    new=$(cat)
    if [ ! -e "$1" ] || [ "$(cat "$1")" != "$new" ]; then
        printf '%s\n' "$new" >"$1"
    fi
}
