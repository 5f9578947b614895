# shellcheck shell=sh
# shellcheck disable=SC2154 # state, run, here and the like come from scripts/engines
# Docker: an existing dockerd, or one of our own.

# docker_answers HOST : true if it answers; with a timeout, since a socket may never accept.
docker_answers() {
    timeout 10 docker --host "$1" version --format '{{.Server.Version}}' >/dev/null 2>&1
}

has_docker() {
    command -v dockerd >/dev/null 2>&1 && command -v docker >/dev/null 2>&1
}

install_docker() {
    # Newer releases have the command in a separate package.
    # shellcheck disable=SC2046
    apt_install docker.io iptables $(available docker-cli)
}

up_docker() {
    own=unix://$state/docker/docker.sock
    if [ "${BUILDR_TEST_OWN_DOCKERD:-}" != 1 ] && command -v docker >/dev/null 2>&1; then
        for host in "${DOCKER_HOST:-}" unix:///var/run/docker.sock; do
            if [ -n "$host" ] && [ "$host" != "$own" ] && docker_answers "$host"; then
                use_docker "$host"
                return 0
            fi
        done
    fi
    if ! is_root; then
        left_out docker "no dockerd answers, and only root may start one"
        return 0
    fi
    if ! has_docker; then
        install_docker
        # If installing the package has started the service, use that.
        if [ "${BUILDR_TEST_OWN_DOCKERD:-}" != 1 ] && docker_answers unix:///var/run/docker.sock; then
            use_docker unix:///var/run/docker.sock
            return 0
        fi
    fi
    start_dockerd docker
    use_docker "$own"
}

# A dockerd of our own with the containerd image store, the default of Docker 29.
up_docker_containerd() {
    if ! is_root; then
        left_out docker-containerd "only root may start a dockerd"
        return 0
    fi
    has_docker || install_docker
    if ! docker_is_at_least 24; then
        left_out docker-containerd "this Docker is older than 24.0, whose store in containerd was not complete"
        return 0
    fi
    mkdir -p "$state/docker-containerd"
    echo '{"features": {"containerd-snapshotter": true}}' >"$state/docker-containerd/daemon.json"
    start_dockerd docker-containerd --config-file "$state/docker-containerd/daemon.json"
    fragment docker-containerd docker - 0 /root "DOCKER_HOST=unix://$state/docker-containerd/docker.sock"
    answers docker-containerd docker version --format '{{.Server.Version}}'
}

# A dockerd of the rootless user.
up_docker_rootless() {
    if ! is_root; then
        left_out docker-rootless "only root may start an engine as another user"
        return 0
    fi
    has_docker || install_docker
    command -v rootlesskit >/dev/null 2>&1 || apt_install rootlesskit
    if ! command -v newuidmap >/dev/null 2>&1 || ! command -v slirp4netns >/dev/null 2>&1; then
        apt_install uidmap slirp4netns
    fi
    start=$(command -v dockerd-rootless.sh || echo /usr/share/docker.io/contrib/dockerd-rootless.sh)
    if [ ! -x "$start" ]; then
        left_out docker-rootless "dockerd-rootless.sh did not come with this Docker"
        return 0
    fi
    prepare_test_user
    share_root_mount
    # The user may run another dockerd, perhaps one of ours.
    runtime=/run/user/$uid/buildr-$number
    socket=$runtime/docker.sock
    if ! running "$state/docker-rootless/pid" rootlesskit; then
        begin_empty docker-rootless "$state/docker-rootless/data"
        say "starting rootless dockerd on $socket"
        mkdir -p "$runtime" "$state/docker-rootless/data"
        chown "$test_user:" "$runtime" "$state/docker-rootless/data"
        # Without as_test_user: a function in the background is a subshell, which would hold our lock.
        setsid setpriv --reuid="$test_user" --regid="$(id -g "$test_user")" --init-groups env -i HOME="$home" PATH="$plain_path" \
            XDG_RUNTIME_DIR="$runtime" DOCKERD_ROOTLESS_ROOTLESSKIT_NET=slirp4netns \
            "$start" --host "unix://$socket" --data-root "$state/docker-rootless/data" \
            >"$state/docker-rootless/log" 2>&1 </dev/null 9>&- &
        echo $! >"$state/docker-rootless/pid"
        await_dockerd docker-rootless "unix://$socket" $!
    fi
    fragment docker-rootless docker "$test_user" "$uid" "$home" \
        "HOME=$home" "USER=$test_user" "LOGNAME=$test_user" "SHELL=/bin/sh" "PATH=$plain_path" \
        "XDG_RUNTIME_DIR=/run/user/$uid" "DOCKER_HOST=unix://$socket"
    answers docker-rootless docker version --format '{{.Server.Version}}'
}

# docker_is_at_least MAJOR
docker_is_at_least() {
    [ "$(dockerd --version | sed -n 's/^[^0-9]*\([0-9]*\).*/\1/p')" -ge "$1" ]
}

# start_dockerd NAME [ARGUMENT...] : starts a dockerd unless it is running. It has its own bridge, so that other
# dockerds keep theirs.
start_dockerd() {
    name=$1
    shift
    ! running "$state/$name/pid" "$state/$name/data" || return 0
    begin_empty "$name" "$state/$name/data"
    mkdir -p "$state/$name"
    rm -f "$state/$name/pid" "$state/$name/docker.sock"
    command -v ip >/dev/null 2>&1 || apt_install iproute2
    slot=$(slot)
    its_bridge=$(bridge "$name" "$slot")
    place=0
    [ "$name" = docker ] || place=1
    if [ ! -d "/sys/class/net/$its_bridge" ]; then
        ip link add "$its_bridge" type bridge
        ip addr add "$(network "$slot" "$place").1/24" dev "$its_bridge"
        ip link set "$its_bridge" up
    fi
    set -- --data-root "$state/$name/data" --exec-root "$run/$name" --pidfile "$state/$name/pid" \
        --host "unix://$state/$name/docker.sock" --bridge "$its_bridge" \
        --default-address-pool "base=$(network "$slot" $((8 * (place + 1)))).0/21,size=24" "$@"
    say "starting dockerd on $state/$name/docker.sock"
    setsid dockerd "$@" >"$state/$name/log" 2>&1 </dev/null 9>&- &
    await_dockerd "$name" "unix://$state/$name/docker.sock" $!
}

# bridge NAME SLOT : prints the name of a dockerd's bridge, which may have 15 characters.
bridge() {
    case $1 in
        docker) echo "bldr-docker$2" ;;
        *) echo "bldr-ctrd$2" ;;
    esac
}

# await_dockerd NAME HOST PID : waits for its first answer.
await_dockerd() {
    ticks=300
    until docker_answers "$2"; do
        ticks=$((ticks - 1))
        if [ "$ticks" = 0 ] || ! kill -0 "$3" 2>/dev/null; then
            tail -n 20 "$state/$1/log" >&2
            kill "$3" 2>/dev/null || :
            die "dockerd does not answer; the end of $state/$1/log is above."
        fi
        sleep 0.1
    done
}

end_dockerds() {
    for name in docker docker-containerd docker-rootless; do
        word=$state/$name/data
        [ "$name" != docker-rootless ] || word=rootlesskit
        if running "$state/$name/pid" "$word"; then
            say "stopping our dockerd ($name)"
            end_process "$state/$name/pid" "$word" 20
        fi
    done
    ! slot=$(owned_slot) || for name in docker docker-containerd; do
        its_bridge=$(bridge "$name" "$slot")
        [ ! -d "/sys/class/net/$its_bridge" ] || ip link delete "$its_bridge" || :
    done
}

use_docker() {
    fragment docker docker - "$(id -u)" "$HOME" "DOCKER_HOST=$1"
    answers docker docker version --format '{{.Server.Version}}'
}
