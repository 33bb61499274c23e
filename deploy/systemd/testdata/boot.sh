#!/bin/bash
# Becomes a systemd that is alone in the world: the test gives it a PID, mount, IPC and UTS namespace and a control group
# of its own. Its root is an overlay whose upper layer is memory, /proc/sys and /sys are read-only, /run and /tmp are
# empty, and it knows no units but the lab's, so that nothing it does reaches the host.
set -euo pipefail
lab=$1
if [ "${2:-}" != apart ]; then
  exec unshare --cgroup "$0" "$lab" apart
fi
mount --make-rprivate /
mount -t tmpfs -o mode=755 lab "$lab/top"
mkdir "$lab/top/root" "$lab/top/upper" "$lab/top/work"
mount -t overlay -o "lowerdir=/,upperdir=$lab/top/upper,workdir=$lab/top/work" overlay "$lab/top/root"
root=$lab/top/root
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mkdir -p "$root/srv/data" "$root/srv/hung" "$root/run/lock"
mount --bind "$lab/data" "$root/srv/data"
mount --bind "$lab/hung" "$root/srv/hung"
install -m 755 "$lab/tidemark" "$root/usr/bin/tidemark"
install -m 644 -D "$lab/tidemark.sysusers" "$root/usr/lib/sysusers.d/tidemark.conf"
mkdir -p "$root/etc/tidemark"
cp -r "$lab/units" "$root/etc/tidemark-units"
cd "$root"
pivot_root . .
umount -l .
cd /
mount --make-rshared / # as on a host: credentials get to a service by propagation
systemd-sysusers tidemark.conf
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=tidemark-test "NOTIFY_SOCKET=$NOTIFY_SOCKET" \
  SYSTEMD_UNIT_PATH=/etc/tidemark-units /lib/systemd/systemd --system --unit=lab.target --log-target=console --show-status=no
