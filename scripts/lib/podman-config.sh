# shellcheck shell=sh
# shellcheck disable=SC2154 # state, run, here and the like come from scripts/engines
# Configuration files for Podman with only the settings that the machine needs, selected by environment variables.

# at_most NUMBER LIMIT : prints the smaller of the two; LIMIT may be "unlimited".
at_most() {
    if [ "$2" != unlimited ] && [ "$2" -lt "$1" ]; then
        echo "$2"
    else
        echo "$1"
    fi
}

# containers_conf root|test-user|caller-root|caller : prints a containers.conf with only the settings that this machine
# needs. The first two are for our own engines, the others for the machine's existing Podman.
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
                # Rootful Podman asks for more than the hard limits, which fails here ("error setting rlimit type 7");
                # values close to them are refused as well ("type 6").
                files=$(at_most 20000 "$(sed -n 's/^Max open files *[^ ]* *\([^ ]*\).*/\1/p' /proc/self/limits)")
                tasks=$(at_most 4096 "$(sed -n 's/^Max processes *[^ ]* *\([^ ]*\).*/\1/p' /proc/self/limits)")
                echo "default_ulimits = [\"nofile=$files:$files\", \"nproc=$tasks:$tasks\"]"
            fi
            ;;
    esac
    # There is no journal, or this user cannot read it.
    [ $journal = yes ] || echo 'log_driver = "k8s-file"'
    echo "[engine]"
    if [ $journal = no ]; then
        # There is no systemd to ask for a cgroup, or no session for this user.
        echo 'cgroup_manager = "cgroupfs"'
        echo 'events_logger = "file"'
    fi
    if [ "$(cgroup_mode)" = hybrid ]; then
        # crun refuses: "cgroups in hybrid mode not supported".
        echo 'runtime = "runc"'
    fi
    if [ "$1" = root ]; then
        # Our own storage needs its own runtime files and locks beside the machine's.
        echo "tmp_dir = \"$run/libpod\""
        echo 'lock_type = "file"'
    fi
    echo "[network]"
    # On a machine without systemd, leftovers of an older Podman may make it choose CNI, whose programs are missing.
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

# default_network : prints the configuration of netavark's default network with a bridge name of our own.
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

# storage_conf STORAGE RUN : prints a storage.conf. If the kernel has no native overlay for the user, the storage
# library falls back to fuse-overlayfs.
storage_conf() {
    echo "# Written by scripts/engines; read only through CONTAINERS_STORAGE_CONF."
    echo "[storage]"
    echo 'driver = "overlay"'
    echo "graphroot = \"$1\""
    echo "rootless_storage_path = \"$1\"" # rootless Podman takes its store from no other key of such a file
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

# put FILE : writes stdin to FILE unless the content is the same already.
put() {
    new=$(cat)
    if [ ! -e "$1" ] || [ "$(cat "$1")" != "$new" ]; then
        printf '%s\n' "$new" >"$1"
    fi
}
