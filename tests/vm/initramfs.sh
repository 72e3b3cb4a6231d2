#!/bin/sh
# initramfs.sh KERNEL OUT: makes what the guest boots from: busybox, init.sh, and the modules of the
# unpacked kernel package KERNEL that the guest needs, with all that these depend on. The image is
# not compressed: unpacking is slow in an emulated processor.
set -eu

kernel=${1:?usage: initramfs.sh KERNEL OUT} out=${2:?usage: initramfs.sh KERNEL OUT}
here=$(dirname "$0")

# Files of the host; then drivers that make dma-bufs: two kinds of graphics card, one that is memory
# and nothing else, and cameras that show a test picture. udmabuf and the dma-heap are built in.
modules='9pnet_virtio 9p overlay virtio_gpu cirrus vgem vivid'
# Two cameras and nothing else of its many devices: /dev/video0 has all planes of a picture in one
# piece of memory, /dev/video1 each in its own.
vivid_arguments='n_devs=2 node_types=0x1,0x1 multiplanar=1,2'

busybox=$(command -v busybox)
if ldd "$busybox" >/dev/null 2>&1; then
    echo "initramfs: $busybox needs shared libraries; install busybox-static." >&2
    exit 1
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/dev" "$root/modules" "$root/proc" "$root/sys"
cp "$busybox" "$root/bin/busybox"
cp "$here/init.sh" "$root/init"
chmod 755 "$root/init"

version=$(ls "$kernel/lib/modules")
[ -e "$kernel/lib/modules/$version/modules.dep.bin" ] || depmod -b "$kernel" "$version"
: >"$root/modules/order"
for module in $modules; do
    # insmod PATH [ARGUMENTS], each module after those that it needs; or "builtin NAME".
    modprobe -d "$kernel" -S "$version" --show-depends "$module" >"$root/depends"
    while read -r verb path _; do
        [ "$verb" = insmod ] || continue
        file=${path##*/} name=${path##*/}
        name=${name%%.*}
        [ ! -e "$root/modules/$name" ] || continue
        case $file in
            *.xz) xz -dc "$path" >"$root/modules/$name" ;;
            *.zst) zstd -qdc "$path" >"$root/modules/$name" ;;
            *) cp "$path" "$root/modules/$name" ;;
        esac
        arguments=''
        [ "$name" != vivid ] || arguments=$vivid_arguments
        echo "$name $arguments" >>"$root/modules/order"
    done <"$root/depends"
done
rm "$root/depends"

# Complete or not there at all.
(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$out.new"
mv "$out.new" "$out"
