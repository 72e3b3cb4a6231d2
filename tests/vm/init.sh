#!/bin/busybox sh
# The guest's first process. It brings up the devices, lays a writable overlay over the host's files,
# and runs there the one script that it was booted for: /run/vm/command, whose exit status it leaves
# in /run/vm/status. Everything else about the run is the host's business.
export PATH=/bin
/bin/busybox --install -s /bin

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t debugfs debugfs /sys/kernel/debug
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ln -s /proc/self/fd /dev/fd

echo 'selkie-vm: init'

while read -r module arguments; do
    insmod "/modules/$module" $arguments || echo "selkie-vm: could not load $module"
done </modules/order
ip link set lo up
hostname selkie-vm

# Files that the host changes meanwhile may be seen late or not at all (cache=loose); what the host
# is to see at once goes through the second share, which is not cached.
options=trans=virtio,version=9p2000.L,msize=1048576
mkdir -p /host /over /root
mount -t 9p -o "$options,cache=loose,ro" host /host || poweroff -f
mount -t tmpfs tmpfs /over
mkdir /over/upper /over/work
mount -t overlay -o lowerdir=/host,upperdir=/over/upper,workdir=/over/work overlay /root || poweroff -f
for directory in proc sys dev; do
    mkdir -p "/root/$directory"
    mount --rbind "/$directory" "/root/$directory"
done
# Not over /tmp as well: the host's checkout may be there.
mount -t tmpfs -o mode=0755 tmpfs /root/run
mkdir -p /root/run/vm /root/run/user
mkdir -m 0700 /root/run/user/0
mount -t 9p -o "$options,cache=none" share /root/run/vm || poweroff -f

export HOME=/run/user/0 XDG_RUNTIME_DIR=/run/user/0
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
chroot /root /bin/sh /run/vm/command
echo $? >/root/run/vm/status
poweroff -f
