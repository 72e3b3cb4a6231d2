#!/usr/bin/env python3
"""Runs a command in a guest that has real dma-bufs; its exit status is the command's.

    tests/vm/guest.py [--share DIR] [--limit SECONDS] COMMAND [ARGUMENT...]

The guest sees the host's files where the host has them, in the directory this was started in, and
may change them without the host noticing. What it writes to /run/vm is in DIR on the host. See
README.md beside this.

Exit status: the command's; 124 after the time limit; 125 if the guest died; 69 if something that
this needs is not here, with a sentence on standard error.
"""

import argparse
import fcntl
import os
import pathlib
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
TIMED_OUT, DIED, MISSING = 124, 125, 69  # 69: EX_UNAVAILABLE of sysexits(3)

# What is run, and the Debian package that it is in.
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "depmod": "kmod",
    "modprobe": "kmod",
    "xz": "xz-utils",
    "zstd": "zstd",
}

# Reaching init takes 3 s on two idle cores.
BOOT_LIMIT = 90
# QEMU before 8.1 emulates the kernel's patching of its own code wrongly now and then: about one
# boot in 60 ends in "Oops: int3" before init. Those, and only those, are tried again.
BOOTS = 3


def unavailable(sentence):
    print(f"vm: {sentence}", file=sys.stderr)
    sys.exit(MISSING)


def require():
    """Ends with a sentence unless all that is needed is here."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        unavailable(f"the guest is made of x86-64 Linux programs, and this is {platform.machine()} {sys.platform}.")
    # Programs for the administrator are not on everybody's PATH.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    packages = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    if packages:
        unavailable(f"not installed: {' '.join(sorted(packages))}. `make deps-vm` installs them on Debian and Ubuntu.")


def prepare(cache):
    """Fetches the kernel and makes the image to boot, where they are not there already. Returns both."""
    cache.mkdir(parents=True, exist_ok=True)
    # Two runs at the same time are to make them once; the lock goes with the descriptor.
    lock = os.open(cache / "lock", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    fcntl.flock(lock, fcntl.LOCK_EX)
    if subprocess.run([HERE / "fetch-kernel.sh", cache]).returncode != 0:
        unavailable("there is no kernel for the guest.")
    kernel = cache / "kernel"
    image = cache / "initramfs.cpio"
    sources = [HERE / "init.sh", HERE / "initramfs.sh", kernel / "complete"]
    if not image.exists() or any(image.stat().st_mtime < source.stat().st_mtime for source in sources):
        subprocess.run([HERE / "initramfs.sh", kernel, image], check=True)
    os.close(lock)
    return next((kernel / "boot").glob("vmlinuz-*")), image


def qemu(kernel, image, share):
    def files(tag, path, options=""):
        path = str(path).replace(",", ",,")
        # remap: inode numbers of the host's several file systems must not be mixed up.
        return ["-virtfs", f"local,path={path},mount_tag={tag},security_model=none,multidevs=remap{options}"]

    return [
        "qemu-system-x86_64",
        # Never KVM: it is not there on many machines, and where guests are nested it may hang.
        *["-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max", "-smp", "2", "-m", "2G"],
        *["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"],
        *["-device", "virtio-gpu-pci", "-device", "cirrus-vga"],
        *["-kernel", str(kernel), "-initrd", str(image)],
        # A udmabuf of a picture of 4K in 8 bytes per pixel is more than the limit of 64 MiB.
        *["-append", "console=ttyS0 quiet panic=-1 udmabuf.size_limit_mb=256"],
        *files("host", "/", ",readonly=on"),
        *files("share", share),
    ]


def boot(command, limit):
    """Boots once and passes the guest's output on. Returns whether init was reached, and whether the
    time was up."""
    guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    up, late = threading.Event(), threading.Event()

    def end():
        late.set()
        guest.kill()

    timers = [threading.Timer(limit, end), threading.Timer(BOOT_LIMIT, lambda: up.is_set() or guest.kill())]
    for timer in timers:
        timer.start()
    try:
        for line in guest.stdout:
            if line.rstrip() == b"selkie-vm: init":
                up.set()
                continue
            sys.stdout.buffer.write(line.replace(b"\r", b""))
            sys.stdout.buffer.flush()
    finally:
        for timer in timers:
            timer.cancel()
        guest.kill()
        guest.wait()
    return up.is_set(), late.is_set()


def run(command, share, limit=300, environment=None, cache=None):
    """Runs a command (a list) in a guest with a share and a time limit in seconds; returns its status."""
    require()
    kernel, image = prepare(cache or pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")).resolve() / "vm")
    share = pathlib.Path(share)
    share.mkdir(parents=True, exist_ok=True)
    lines = ["cd " + shlex.quote(os.getcwd())]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in (environment or {}).items()]
    (share / "command").write_text("\n".join(lines) + "\nexec " + shlex.join(command) + "\n")
    status = share / "status"
    status.unlink(missing_ok=True)

    for attempt in range(1, BOOTS + 1):
        up, late = boot(qemu(kernel, image, share), limit)
        if up or late:
            break
        print(f"vm: the guest did not get as far as init (attempt {attempt} of {BOOTS}).", file=sys.stderr)
    if late:
        print(f"vm: ended after the limit of {limit} s.", file=sys.stderr)
        return TIMED_OUT
    try:
        return int(status.read_text())
    except (FileNotFoundError, ValueError):
        print("vm: the guest died before the command ended.", file=sys.stderr)
        return DIED


def main():
    parser = argparse.ArgumentParser(description="Runs a command in a guest that has real dma-bufs.")
    parser.add_argument("--share", help="directory of the host that is /run/vm in the guest")
    parser.add_argument("--limit", type=float, default=300, help="in seconds (default: %(default)s)")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("there is no command")
    with tempfile.TemporaryDirectory() as temporary:
        return run(arguments.command, arguments.share or temporary, arguments.limit)


if __name__ == "__main__":
    # So that the guest is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
