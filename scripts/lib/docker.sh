# shellcheck shell=sh
# shellcheck disable=SC2154 # state, run, here and the like come from scripts/engines
# Docker: the dockerd that answers, or one of our own.

# docker_answers HOST : also a socket nobody accepts on is told in time.
docker_answers() {
    timeout 10 docker --host "$1" version --format '{{.Server.Version}}' >/dev/null 2>&1
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
    if ! command -v dockerd >/dev/null 2>&1 || ! command -v docker >/dev/null 2>&1; then
        # Newer releases keep the command in a package of its own.
        # shellcheck disable=SC2046
        apt_install docker.io iptables $(available docker-cli)
        # Where systemd started the service with the installation, that one serves.
        if [ "${BUILDR_TEST_OWN_DOCKERD:-}" != 1 ] && docker_answers unix:///var/run/docker.sock; then
            use_docker unix:///var/run/docker.sock
            return 0
        fi
    fi
    if ! running "$state/docker/pid" "$state/docker/data"; then
        start_dockerd
    fi
    use_docker "$own"
}

start_dockerd() {
    mkdir -p "$state/docker"
    rm -f "$state/docker/pid" "$state/docker/docker.sock"
    set -- --data-root "$state/docker/data" --exec-root "$run/docker" --pidfile "$state/docker/pid" \
        --host "unix://$state/docker/docker.sock"
    if grep -qx dockerd /proc/[0-9]*/comm 2>/dev/null; then
        # Another dockerd is there. Its bridge stays its own.
        command -v ip >/dev/null 2>&1 || apt_install iproute2
        if [ ! -d "/sys/class/net/$bridge" ]; then
            ip link add "$bridge" type bridge
            ip addr add "10.$((232 + ${bridge#bld} % 16)).0.1/16" dev "$bridge"
            ip link set "$bridge" up
        fi
        set -- "$@" --bridge "$bridge"
    fi
    say "starting dockerd on $state/docker/docker.sock"
    setsid dockerd "$@" >"$state/docker/log" 2>&1 </dev/null 9>&- &
    started=$!
    ticks=300
    until docker_answers "unix://$state/docker/docker.sock"; do
        ticks=$((ticks - 1))
        if [ "$ticks" = 0 ] || ! kill -0 "$started" 2>/dev/null; then
            tail -n 20 "$state/docker/log" >&2
            kill "$started" 2>/dev/null || :
            die "dockerd does not answer; the end of $state/docker/log is above."
        fi
        sleep 0.1
    done
}

use_docker() {
    fragment docker docker - "$(id -u)" "$HOME" "DOCKER_HOST=$1"
    answers docker docker version --format '{{.Server.Version}}'
}
