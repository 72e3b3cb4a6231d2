#!/bin/sh
# Installs what selkie needs from the system, with the distribution's own package manager: `deps.sh`
# the libraries that it links, `deps.sh vm` what the guest of `make test-vm` is made with.
# Does nothing where all of it is found, so that `make demo` and `make test` can always call it.
#
# It is a script beside the Makefile, not a recipe in it, because it has to be readable before it is
# run: it is the one thing in this project that changes the user's machine.
set -eu

# pkg-config names of what the program links: the pixel library, the keymap library, and buffers of graphics devices.
LIBRARIES='pixman-1 xkbcommon gbm'
# Programs that tests/vm runs.
VM_PROGRAMS='qemu-system-x86_64 busybox cpio depmod xz zstd python3'

say() { printf '%s\n' "selkie deps: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# ID and ID_LIKE of os-release(5): a derivative names the distribution that it follows.
like=' unknown '
for file in /etc/os-release /usr/lib/os-release; do
    if [ -r "$file" ]; then
        like=$(. "$file" && printf ' %s %s ' "${ID:-}" "${ID_LIKE:-}")
        break
    fi
done

# install COMMAND...: runs it as root.
install() {
    root=''
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || { say "installing needs root and there is no sudo here. As root, run: $*"; exit 1; }
        root=sudo
    fi
    say "running: $root $*"
    if ! $root "$@"; then
        # An image without package lists, or with old ones, cannot install anything before it fetched them.
        have apt-get || exit 1
        $root apt-get update
        $root "$@"
    fi
}

if [ "${1:-}" = vm ]; then
    # Programs for the administrator are not on everybody's PATH.
    PATH=$PATH:/usr/sbin:/sbin
    missing=''
    for program in $VM_PROGRAMS; do
        have "$program" || missing="$missing $program"
    done
    # In the guest there are no libraries for it.
    if have busybox && ldd "$(command -v busybox)" >/dev/null 2>&1; then
        missing="$missing busybox-static"
    fi
    [ -n "$missing" ] || exit 0
    say "missing:$missing"
    # Elsewhere there is no apt either, and so no kernel for the guest.
    case $like in
        *' debian '* | *' ubuntu '*) ;;
        *) say "the guest is made of Debian's packages; this is$like"; exit 1 ;;
    esac
    install env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        qemu-system-x86 busybox-static cpio kmod xz-utils zstd python3
    exit 0
fi

# cargo comes from rustup more often than from a distribution (whose version may be too old), so it
# is never installed from here.
if ! have cargo; then
    say "cargo was not found. Install Rust with the script on https://rustup.rs, open a new shell and try again."
    exit 1
fi

missing=''
have cc || missing="$missing cc"
if have pkg-config; then
    for library in $LIBRARIES; do
        pkg-config --exists "$library" || missing="$missing $library"
    done
else
    missing="$missing pkg-config $LIBRARIES"
fi
[ -n "$missing" ] || exit 0
say "missing:$missing"

# NixOS, Alpine and others are not guessed at: a wrong command is worse than a sentence.
case $like in
    *' debian '* | *' ubuntu '*)
        set -- env DEBIAN_FRONTEND=noninteractive apt-get install --yes gcc libc6-dev pkg-config libpixman-1-dev libxkbcommon-dev libgbm-dev ;;
    *' fedora '* | *' rhel '*)
        set -- dnf install --assumeyes gcc pkgconf-pkg-config pixman-devel libxkbcommon-devel mesa-libgbm-devel ;;
    *' arch '*)
        set -- pacman --sync --needed --noconfirm gcc pkgconf pixman libxkbcommon mesa ;;
    *)
        say "this distribution is not one I know ($(echo $like))." \
            "Install a C compiler, pkg-config and the development files of: $LIBRARIES; then try again."
        exit 1 ;;
esac

install "$@"

for library in $LIBRARIES; do
    pkg-config --exists "$library" || { say "$library is still not found by pkg-config."; exit 1; }
done
