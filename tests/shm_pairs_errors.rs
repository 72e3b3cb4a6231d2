//! `selkie shm`'s pairs, given what cannot be: a sentence each, a status, and nothing left behind.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use support::pairs::{Stand, said};
use support::require_programs;

/// Runs it under another program, and gives its status and what it said on standard error.
fn under(stand: &Stand, program: &[&str], line: &str) -> (Option<i32>, String) {
    let mut command = stand.dir.command(program[0]);
    command.args(&program[1..]).args([env!("CARGO_BIN_EXE_selkie"), "shm"]).args(stand.words(line));
    let output = command.output().unwrap();
    (output.status.code(), stand.anonymous(std::str::from_utf8(&output.stderr).unwrap()))
}

const NOBODY: [&str; 5] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];

#[test]
fn what_is_not_there_and_what_is_there_already() {
    let stand = Stand::new(1);
    let none = "selkie: there is no segment with key KEY: create it first (ipcs -m lists those there are): \
                No such file or directory (os error 2)\n";
    assert_eq!(stand.run("sysv read --key KEY"), said(1, none));
    assert_eq!(stand.run("sysv write --key KEY --keep --size 100").status, 0);
    let there = "selkie: there is a segment with key KEY already: open that one, remove it (ipcrm -M KEY), or take \
                 another key: File exists (os error 17)\n";
    assert_eq!(stand.run("sysv write --key KEY"), said(1, there));
    let smaller = "selkie: the segment with key KEY has 100 bytes, and 101 were asked for: a segment never grows, so ask \
                   for less or for 0 (as it is), or remove it and create a larger one: Invalid argument (os error 22)\n";
    assert_eq!(stand.run("sysv read --key KEY --size 101"), said(1, smaller));

    let none = "selkie: there is no shared memory `/NAME`: create it first (ls /dev/shm lists what there is): \
                No such file or directory (os error 2)\n";
    assert_eq!(stand.run("posix read NAME"), said(1, none));
    assert_eq!(stand.run("posix write NAME --keep --size 100").status, 0);
    let there = "selkie: there is shared memory `/NAME` already: open that, unlink it (rm /dev/shm/NAME), or take \
                 another name: File exists (os error 17)\n";
    assert_eq!(stand.run("posix write NAME"), said(1, there));
    let smaller = "selkie: the shared memory `/NAME` has 100 bytes, and 101 were asked for: ask for less, or let its \
                   owner grow it\n";
    assert_eq!(stand.run("posix read NAME --size 101"), said(1, smaller));
}

#[test]
fn who_may_not() {
    require_programs!("setpriv");
    if !rustix::process::geteuid().is_root() {
        return support::impossible("only root can become somebody else");
    }
    let stand = Stand::new(2);
    assert_eq!(stand.run("sysv write --key KEY --keep --size 100").status, 0);
    let id = stand.segment().unwrap().id();
    let text = format!(
        "selkie: the mode of the segment {id} does not let this user read it: its owner can change that (IPC_SET): \
         Permission denied (os error 13)\n"
    );
    assert_eq!(under(&stand, &NOBODY, "sysv read --key KEY"), (Some(1), text));
    assert_eq!(stand.run("posix write NAME --keep --size 100").status, 0);
    let text = "selkie: this user may not open the shared memory `/NAME`: see its mode and owner (ls -l /dev/shm/NAME): \
                Permission denied (os error 13)\n";
    assert_eq!(under(&stand, &NOBODY, "posix read NAME"), (Some(1), text.into()));
    let pid = std::process::id();
    for (option, error) in
        [("", "Permission denied (os error 13)"), (" --pidfd", "Operation not permitted (os error 1)")]
    {
        let (status, text) = under(&stand, &NOBODY, &format!("memfd open --pid {pid} --fd 0{option}"));
        let start = format!("selkie: the fds of process {pid} are only for those who may trace it: ");
        assert!(status == Some(1) && text.starts_with(&start), "{text}");
        assert!(text.ends_with(&format!("have it pass the fd over a socket: {error}\n")), "{text}");
    }
}

#[test]
fn too_little_and_too_much() {
    let stand = Stand::new(3);
    let writers = [
        "sysv write --key KEY",
        "posix write NAME",
        "memfd send --socket SOCKET",
        "memfd export",
        "dmabuf export --socket SOCKET",
    ];
    for writer in writers {
        let none = said(1, "selkie: 0 bytes are no memory: ask for 1 at least\n");
        assert_eq!(stand.run(&format!("{writer} --size 0")), none, "{writer}");
    }
    let most = std::fs::read_to_string("/proc/sys/kernel/shmmax").unwrap();
    let most = most.trim();
    let beyond = stand.run(&format!("sysv write --key KEY --size {}", u64::MAX));
    let text = format!(
        "selkie: a segment has at most {most} bytes here (SHMMAX, /proc/sys/kernel/shmmax), and {} were asked for: \
         Invalid argument (os error 22)\n",
        u64::MAX
    );
    assert_eq!(beyond, said(1, &text));
    for writer in ["posix write NAME", "memfd export"] {
        let much = stand.run(&format!("{writer} --size 1000000G"));
        let start = "selkie: 1073741824000000 bytes are more than three quarters of the ";
        assert!(much.status == 1 && much.text.starts_with(start), "{much:?}");
        assert!(much.text.ends_with(" that this machine has available: ask for less\n"), "{much:?}");
    }
    assert!(stand.segment().is_none() && !stand.object().exists() && !Path::new(&stand.socket).exists());
}

#[test]
fn beyond_the_limit_of_a_file() {
    require_programs!("prlimit");
    let stand = Stand::new(4);
    let text = "selkie: a file may have 100000 bytes (RLIMIT_FSIZE; ulimit -f), and 1048576 were asked for: ask for less\n";
    for writer in ["posix write NAME", "memfd send --socket SOCKET", "memfd export"] {
        let said = under(&stand, &["prlimit", "--fsize=100000"], &format!("{writer} --size 1M"));
        assert_eq!(said, (Some(1), text.into()), "{writer}");
    }
    assert!(!stand.object().exists() && !Path::new(&stand.socket).exists());
}

#[test]
fn a_full_dev_shm() {
    require_programs!("unshare", "mount");
    let stand = Stand::new(5);
    let mount = "mount -t tmpfs -o size=1m none /dev/shm && \"$@\"; status=$?; ls /dev/shm; exit $status";
    let private = ["unshare", "--mount", "sh", "-c", mount, "sh"];
    if !Command::new("unshare").args(["--mount", "true"]).output().unwrap().status.success() {
        return support::impossible("no mount namespace may be made");
    }
    let text = "selkie: there is no room for 4194304 bytes in /dev/shm for `/NAME`: see df /dev/shm, and ls -l /dev/shm for \
                what was left there: No space left on device (os error 28)\n";
    assert_eq!(under(&stand, &private, "posix write NAME"), (Some(1), text.into()));
}

#[test]
fn sockets_that_are_none_or_closed() {
    let stand = Stand::new(6);
    let receivers = ["memfd recv --socket SOCKET", "dmabuf import --socket SOCKET"];
    for receiver in receivers {
        let none = said(1, "selkie: there is no socket SOCKET: start the other side first\n");
        assert_eq!(stand.run(receiver), none);
    }
    // Somebody who goes without a word.
    let listener = UnixListener::bind(&stand.socket).unwrap();
    let receiver = stand.dir.spawn("receiver", stand.command(receivers[0]));
    drop(listener.accept().unwrap());
    assert_eq!(stand.end(receiver), said(1, "selkie: the other end of the socket is gone\n"));
    let taken = said(1, "selkie: somebody listens at SOCKET already: choose another name\n");
    assert_eq!(stand.run("memfd send --socket SOCKET --size 1"), taken);
    // The name alone, as somebody leaves it who is killed: the next one takes it.
    drop(listener);
    let closed = said(1, "selkie: nobody listens at SOCKET any more: start the other side again\n");
    assert_eq!(stand.run(receivers[0]), closed);
    let sender = stand.start("memfd send --socket SOCKET --size 1 --count 1");
    // Somebody who takes the fds and goes.
    let stream = UnixStream::connect(&stand.socket).unwrap();
    let mut byte = [0];
    let received = shm_core::fdpass::recv(&stream, &mut byte, 3).unwrap();
    assert_eq!((byte, received.fds.len()), ([1], 1));
    drop(stream);
    let sender = stand.end(sender);
    let end = " got the fds, and ended before it said what it had found\n";
    assert!(sender.status == 1 && sender.text.ends_with(end), "{sender:?}");

    std::fs::write(&stand.socket, "").unwrap();
    let file = said(1, "selkie: SOCKET is there already, and is no socket: choose another name\n");
    assert_eq!(stand.run("memfd send --socket SOCKET --size 1"), file);
    let long = stand.run(&format!("memfd recv --socket /{}", "x".repeat(200)));
    assert!(
        long.status == 1
            && long
                .text
                .ends_with("has 201 bytes, and the name of a socket may have 107: choose a shorter one\n")
    );
}

#[test]
fn fds_that_are_none() {
    let stand = Stand::new(7);
    let none = "selkie: there is no process 2147483647: it has ended, or is in another pid namespace: ";
    let said = stand.run("memfd open --pid 2147483647 --fd 0");
    assert!(said.status == 1 && said.text.starts_with(none), "{said:?}");
    let pid = std::process::id();
    let said = stand.run(&format!("memfd open --pid {pid} --fd 999999"));
    let start = format!("selkie: process {pid} has no fd 999999: it has closed it: ");
    assert!(said.status == 1 && said.text.starts_with(&start), "{said:?}");
    let null = std::fs::File::open("/dev/null").unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&null);
    let said = stand.run(&format!("memfd open --pid {pid} --fd {fd} --pidfd"));
    let start =
        "selkie: the file is no memory: memfds, and files in /dev/shm, can be asked for their seals: ";
    assert!(said.status == 1 && said.text.starts_with(start), "{said:?}");
}

#[test]
fn usage() {
    let stand = Stand::new(8);
    for (line, text) in [
        (
            "posix write frames",
            "'frames' for '<NAME>': the name of shared memory `frames` does not begin with a slash: write /frames",
        ),
        ("sysv write --key 0", "'0' for '--key <KEY>': it is IPC_PRIVATE, by which no segment is found"),
        (
            "sysv write --mode 1777",
            "'1777' for '--mode <MODE>': write permission bits in octal, from 0 to 0777, as in 0640",
        ),
        ("memfd send --socket x --count 254", "'254' for '--count <N>': 254 is not in 1..=253"),
        (
            "memfd export --byte 256",
            "'256' for '--byte <BYTE>': write a number from 0 to 255, as in 90 or 0x5a",
        ),
        (
            "memfd export --size 4MiB",
            "'4MiB' for '--size <BYTES>': write a number of bytes, as in 4096, 64K or 4M",
        ),
        (
            "dmabuf export --socket x --source drm",
            "'drm' for '--source <KIND>': `drm` makes no dma-bufs: write auto, udmabuf, dma-heap, or dma-heap:NAME",
        ),
    ] {
        let text = format!("error: invalid value {text}\n\nFor more information, try '--help'.\n");
        assert_eq!(stand.run(line), said(2, &text), "{line}");
    }
}

#[test]
fn a_machine_without_dma_bufs() {
    if Path::new("/dev/udmabuf").exists() || Path::new("/dev/dma_heap").exists() {
        return support::impossible("this machine has them");
    }
    let stand = Stand::new(9);
    let text = "selkie: nothing here makes dma-bufs: there is neither a /dev/udmabuf (modprobe udmabuf, and be in the group kvm) \
                nor a /dev/dma_heap that may be opened\n";
    assert_eq!(stand.run("dmabuf export --socket SOCKET"), said(1, text));
}
