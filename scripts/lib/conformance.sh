# shellcheck shell=sh
# shellcheck disable=SC2154 # root, state, src and conformance come from scripts/test
# Runs tests/conformance on engines.

# judge_all [PYTEST-ARGUMENT...] : runs on each engine of $conformance, in two parallel lanes; fails if one fails.
judge_all() {
    rm -rf "$state/conformance"
    mkdir -m 1777 "$state/conformance"
    chmod 1777 "$state/conformance"
    first='' second=''
    for engine in $conformance; do
        first="$first $engine"
        # Alternate between the lanes.
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

# judge ENGINE [PYTEST-ARGUMENT...] : with a time limit, so that a test that hangs is a failure.
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
    # Background processes of a shell ignore both signals.
    env --default-signal=INT,QUIT timeout --kill-after=30 900 "$root/scripts/engines" run "$engine" "$state/venv/bin/python" -m pytest \
        -p no:cacheprovider tests/conformance --backend "$backend" \
        --base-image "$("$root/scripts/offline-base" --tag)" --junitxml "$state/conformance/$engine.xml" "$@"
}
