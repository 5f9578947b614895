# shellcheck shell=sh
# shellcheck disable=SC2154 # root, state, src and conformance come from scripts/test
# Judging engines by tests/conformance.

# judge_all [PYTEST-ARGUMENT...] : on each engine of $conformance, by turns in two lanes; fails where one does.
judge_all() {
    rm -rf "$state/conformance"
    mkdir -m 1777 "$state/conformance"
    chmod 1777 "$state/conformance"
    first='' second=''
    for engine in $conformance; do
        first="$first $engine"
        # The lanes swap at each.
        swapped=$first first=$second second=$swapped
    done
    judge_lane "$first" "$@" &
    lane=$!
    status=0
    judge_lane "$second" "$@" || status=1
    wait "$lane" || status=1
    return "$status"
}

# judge_lane ENGINES [PYTEST-ARGUMENT...]
judge_lane() {
    lane_engines=$1
    shift
    lane_status=0
    for engine in $lane_engines; do
        judge "$engine" "$@" >"$state/conformance/$engine.log" 2>&1 || lane_status=1
        say "conformance of $engine:"
        cat "$state/conformance/$engine.log"
    done
    return "$lane_status"
}

# judge ENGINE [PYTEST-ARGUMENT...] : bounded, so that a test that hangs is an error.
judge() {
    engine=$1
    shift
    case $engine in
        podman*) backend=podman ;;
        *) backend=docker ;;
    esac
    # A rootless dockerd does not reach this machine's loopback.
    if [ "$engine" != docker-rootless ]; then
        set -- --registry "127.0.0.1:$(cut -d' ' -f1 "$state/registry/ports")" "$@"
    fi
    cd "$src" || return
    # A shell lets what it runs in the background ignore both signals.
    env --default-signal=INT,QUIT timeout --kill-after=30 900 "$root/scripts/engines" run "$engine" "$state/venv/bin/python" -m pytest \
        -p no:cacheprovider tests/conformance --backend "$backend" \
        --base-image "$("$root/scripts/offline-base" --tag)" --junitxml "$state/conformance/$engine.xml" "$@"
}
