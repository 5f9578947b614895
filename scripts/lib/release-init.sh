# shellcheck shell=sh
# The first process of another release, in new namespaces: makes its directory the root, then waits and reaps orphans.
#
#   sh release-init.sh ROOT NAME
set -eu
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
# The machine's devices, but separate terminals and shared memory.
mount --rbind /dev dev
mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
# Empty, as after a boot.
mount -t tmpfs -o mode=755 tmpfs run
rm -rf tmp && mkdir -m 1777 tmp
hostname "$2"
printf '127.0.0.1 localhost %s\n::1 localhost\n' "$2" >etc/hosts
echo "$2" >etc/hostname
# A resolver on this machine's loopback is unreachable from there.
names=/etc/resolv.conf
if grep -q '^nameserver 127\.' "$names" && [ -e /run/systemd/resolve/resolv.conf ]; then
    names=/run/systemd/resolve/resolv.conf
fi
rm -f etc/resolv.conf
cat "$names" >etc/resolv.conf
pivot_root . .
umount -l .
cd /
mount --make-rshared /
exec catatonit -P
