# shellcheck shell=sh
# shellcheck disable=SC2154 # state and slots, the directory that says whose each is, come from scripts/engines
# Addresses and the name of a bridge for root's engines of each state directory, so that none meet those of another one, though
# they run at the same time: a slot, of 64, that belongs to one directory from `up` to `down`. Needs root.
#
# A slot has 32 networks of 256 addresses in 10.200.0.0/13: 0 and 1 for the bridges of the two dockerds, 2 for that of Podman, and eight
# each from 8, 16 and 24 for further networks of these.

# with_slots COMMAND [ARGUMENT...] : runs it while no other script takes or frees a slot, or gives a user subordinate ids.
with_slots() {
    mkdir -p "$slots"
    (
        exec 8>"$slots/lock"
        flock 8
        "$@" 8>&-
    )
}

# slot : prints the slot of the state directory, which is taken if need be.
slot() {
    with_slots take_slot
}

take_slot() {
    ! owned_slot || return 0
    first=$(($(printf '%s' "$state" | cksum | cut -d' ' -f1) % 64))
    for step in $(seq 0 63); do
        found=$(((first + step) % 64))
        owner=$(readlink "$slots/$found" || :)
        # The owner of one may have been removed by hand.
        if [ -z "$owner" ] || [ ! -d "$owner" ]; then
            ln -sfn "$state" "$slots/$found"
            echo "$found"
            return 0
        fi
    done
    die "the engines of 64 state directories are up already (see $slots). End some: scripts/engines down"
}

# owned_slot : prints the slot of the state directory, if it has one.
owned_slot() {
    for place in "$slots"/[0-9]*; do
        if [ "$(readlink "$place")" = "$state" ]; then
            basename "$place"
            return 0
        fi
    done
    return 1
}

free_slot() {
    for place in "$slots"/[0-9]*; do
        [ "$(readlink "$place")" != "$state" ] || rm -f "$place"
    done
}

# network SLOT NUMBER : prints the first three parts of the addresses of one of its networks.
network() {
    echo "10.$((200 + $1 / 8)).$(($1 % 8 * 32 + $2))"
}
