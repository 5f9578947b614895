# shellcheck shell=sh
# shellcheck disable=SC2154 # state and slots (a directory with the owner of each slot) come from scripts/engines
# Addresses and bridge names for the rootful engines of each state directory, so that engines of several state
# directories do not collide: a directory owns one of 64 slots from `up` to `down`. Needs root.
#
# A slot has 32 networks of 256 addresses in 10.200.0.0/13: 0 and 1 for the bridges of the two dockerds, 2 for Podman's,
# and eight each from 8, 16 and 24 for their further networks.

# with_slots COMMAND [ARGUMENT...] : runs a command under the lock for slots and subordinate ids.
with_slots() {
    mkdir -p "$slots"
    (
        exec 8>"$slots/lock"
        flock 8
        "$@" 8>&-
    )
}

# slot : prints the slot of the state directory; takes one if necessary.
slot() {
    with_slots take_slot
}

take_slot() {
    ! owned_slot || return 0
    first=$(($(printf '%s' "$state" | cksum | cut -d' ' -f1) % 64))
    for step in $(seq 0 63); do
        found=$(((first + step) % 64))
        owner=$(readlink "$slots/$found" || :)
        # The owning directory may have been removed by hand.
        if [ -z "$owner" ] || [ ! -d "$owner" ]; then
            ln -sfn "$state" "$slots/$found"
            echo "$found"
            return 0
        fi
    done
    die "engines of 64 state directories are already up (see $slots). Stop some: scripts/engines down"
}

# owned_slot : prints the slot of the state directory; fails if it has none.
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
