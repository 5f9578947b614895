# shellcheck shell=sh
# shellcheck disable=SC2154 # state, run, here and the like come from scripts/engines
# Two registries on loopback, one open and one with a password.

# Prints the two ports of the registries. They are chosen once, so that configurations that engines have read stay
# valid.
registry_ports() {
    mkdir -p "$state/registry"
    [ -s "$state/registry/ports" ] || free_ports >"$state/registry/ports"
    cat "$state/registry/ports"
}

# Two free ports, from 5000 upwards.
free_ports() {
    python3 - <<'END'
import socket
free = []
port = 5000
while len(free) < 2:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            free.append(port)
        except OSError:
            pass
    port += 1
print(*free)
END
}

up_registry() {
    if ! command -v docker-registry >/dev/null 2>&1; then
        if ! is_root; then
            left_out registry "docker-registry is not installed, and only root may install it"
            return 0
        fi
        apt_install docker-registry
        if has_systemd && systemctl is-enabled --quiet docker-registry 2>/dev/null; then
            say "disabling the system service docker-registry of the package: ours is started directly"
            systemctl disable --now --quiet docker-registry || :
        fi
    fi
    if ! registries_run; then
        # Another process may have taken a port since.
        for attempt in 1 2 3; do
            start_registries && break
            [ "$attempt" != 3 ] || die "docker-registry does not start; see $state/registry/*.log"
            rm -f "$state/registry/ports"
        done
        for engine in podman-root podman-rootless; do
            [ ! -d "$state/$engine" ] || registries_conf | put "$state/$engine/registries.conf"
        done
    fi
}

registries_run() {
    running "$state/registry/open.pid" "$state/registry/open.yml" &&
        running "$state/registry/password.pid" "$state/registry/password.yml"
}

start_registries() {
    end_registries
    # shellcheck disable=SC2046 # two numbers
    set -- $(registry_ports)
    if [ ! -s "$state/registry/secret" ]; then
        (umask 077 && od -An -N18 -tx1 /dev/urandom | tr -d ' \n' >"$state/registry/secret")
    fi
    # The registry accepts bcrypt hashes only; perl's crypt() is available on every Debian.
    PASSWORD=$(cat "$state/registry/secret") perl -e \
        'print "buildr:", crypt($ENV{PASSWORD}, "\$2b\$05\$" . join("", map { ("a".."z")[rand 26] } 1..22)), "\n"' \
        >"$state/registry/htpasswd"
    registry_yaml open "$1" >"$state/registry/open.yml"
    registry_yaml password "$2" >"$state/registry/password.yml"
    say "starting two registries, on 127.0.0.1:$1 and, with a password, on 127.0.0.1:$2"
    for name in open password; do
        setsid docker-registry serve "$state/registry/$name.yml" \
            >"$state/registry/$name.log" 2>&1 </dev/null 9>&- &
        echo $! >"$state/registry/$name.pid"
    done
    for name in open password; do
        registry_answers "$name" "$1" || return 1
        shift
    done
}

# registry_answers NAME PORT : waits up to ten seconds.
registry_answers() {
    ticks=50
    until python3 - "$2" <<'END' 2>/dev/null; do
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=2)
connection.request("GET", "/v2/")
sys.exit(connection.getresponse().status not in (200, 401))
END
        ticks=$((ticks - 1))
        [ "$ticks" -gt 0 ] || return 1
        running "$state/registry/$1.pid" "$state/registry/$1.yml" || return 1
        sleep 0.2
    done
    # Another registry may answer on that port if ours has failed to bind it.
    running "$state/registry/$1.pid" "$state/registry/$1.yml"
}

registry_yaml() {
    mkdir -p "$state/registry/$1"
    cat <<END
version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: $state/registry/$1
  delete:
    enabled: true
http:
  addr: 127.0.0.1:$2
  secret: $(cat "$state/registry/secret")
END
    if [ "$1" = password ]; then
        cat <<END
auth:
  htpasswd:
    realm: buildr
    path: $state/registry/htpasswd
END
    fi
}

end_registries() {
    for name in open password; do
        end_process "$state/registry/$name.pid" "$state/registry/$name.yml" 5
    done
}
