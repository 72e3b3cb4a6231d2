//! `selkie shm sysv|posix|memfd|dmabuf`: each pair in two real processes: what they say to the last byte, and that nothing is left.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use shm_core::sysv::{Key, Segment};
use support::pairs::{HEAD, Stand, result, said};
use support::{require_devices, require_programs};

#[test]
fn a_segment_is_read_by_its_key_and_is_gone_then() {
    let stand = Stand::new(1);
    let writer = stand.start("sysv write --key KEY -v");
    let id = result(&writer.log(), "shmget").to_owned();
    let reader = stand.dir.spawn("reader", stand.command("sysv read --key KEY -v"));
    let (first, second) = (writer.pid().as_raw_nonzero(), reader.pid().as_raw_nonzero());
    let stat = format!("shmctl({id}, IPC_STAT, buf) = 0, shm_segsz=4194304");
    assert_eq!(
        stand.end(reader),
        said(
            0,
            &format!(
                "  shmget(KEY, 0, 0) = {id}\n  shmat({id}, NULL, SHM_RDONLY) = ADDRESS\n  \
                 {stat}, shm_nattch=2, shm_cpid={first}, shm_lpid={second}\n  shmdt(ADDRESS) = 0\n\
                 segment {id}, made by process {first} (selkie): 4194304 of 4194304 bytes are 0x5a\n"
            )
        )
    );
    let text = stand.end(writer);
    // Who has ended has no name any more.
    let text = said(text.status, &text.text.replace(&format!("{second} (selkie)"), &second.to_string()));
    assert_eq!(
        text,
        said(
            0,
            &format!(
                "  shmget(KEY, 4194304, IPC_CREAT|IPC_EXCL|0600) = {id}\n  shmat({id}, NULL, 0) = ADDRESS\n\
                 segment {id}, key KEY, mode 0600: 4194304 bytes of 0x5a\n\
                 in another terminal: selkie shm sysv read --key KEY\n{HEAD}  \
                 {stat}, shm_nattch=1, shm_cpid={first}, shm_lpid={second}\nit was read by process {second}\n  \
                 shmdt(ADDRESS) = 0\n  shmctl({id}, IPC_RMID, NULL) = 0\nafter\n"
            )
        )
    );
    assert_eq!(stand.segment(), None);
}

#[test]
fn a_segment_is_found_by_a_file_as_ftok_does_it() {
    let stand = Stand::new(2);
    let file = stand.dir.file("file");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let writer = stand.start(&format!("sysv write --file {file} --id 7 --size 4097 --byte 0 --mode 0640"));
    assert!(writer.log().contains(&format!("selkie shm sysv read --file {file} --id 7 --byte 0x00\n")));
    assert!(writer.log().contains("mode 0640: 4097 bytes of 0x00\n"), "{}", writer.log());
    let reader = stand.run(&format!("sysv read --file {file} --id 7 --byte 0"));
    assert!(reader.status == 0 && reader.text.ends_with(": 4097 of 4097 bytes are 0x00\n"), "{reader:?}");
    assert_eq!(stand.end(writer).status, 0);
    let key = Key::ftok(file, 7).unwrap();
    assert!(Segment::open(key, 0).is_err());
}

#[test]
fn an_object_is_read_by_its_name_and_is_gone_then() {
    let stand = Stand::new(3);
    let writer = stand.start("posix write NAME -v");
    let fd: i32 = result(&writer.log(), "open(").parse().unwrap();
    let watch = fd + 1;
    assert_eq!(
        stand.run("posix read NAME -v"),
        said(
            0,
            "  open(\"/dev/shm/NAME\", O_RDONLY|O_NONBLOCK|O_NOFOLLOW|O_CLOEXEC) = 3\n  \
             fstat(3, buf) = 0, st_size=4194304\n  pread64(3, buf, 1, 0) = 1\n  \
             mmap(NULL, 4194304, PROT_READ, MAP_SHARED, 3, 0) = ADDRESS\n  munmap(ADDRESS, 4194304) = 0\n  close(3) = 0\n/NAME: 4194304 of 4194304 bytes are 0x5a\n"
        )
    );
    assert_eq!(
        stand.end(writer),
        said(
            0,
            &format!(
                "  open(\"/dev/shm/NAME\", O_RDWR|O_CREAT|O_EXCL|O_NONBLOCK|O_NOFOLLOW|O_CLOEXEC, 0600) = {fd}\n  \
                 ftruncate({fd}, 4194304) = 0\n  fallocate({fd}, 0, 0, 4194304) = 0\n  \
                 inotify_init1(IN_CLOEXEC|IN_NONBLOCK) = {watch}\n  \
                 inotify_add_watch({watch}, \"/proc/self/fd/{fd}\", EVENTS) = 1\n  \
                 mmap(NULL, 4194304, PROT_READ|PROT_WRITE, MAP_SHARED, {fd}, 0) = ADDRESS\n\
                 /NAME, mode 0600: 4194304 bytes of 0x5a\nin another terminal: selkie shm posix read /NAME\n{HEAD}  \
                 read({watch}, buf, 1024) = EVENTS\nsomebody has read it, and is done with it\n  \
                 munmap(ADDRESS, 4194304) = 0\n  close({fd}) = 0\n  unlinkat(AT_FDCWD, \"/dev/shm/NAME\", 0) = 0\nafter\n"
            )
        )
    );
    assert!(!stand.object().exists());
}

#[test]
fn memfds_arrive_in_one_message_and_in_their_order() {
    let stand = Stand::new(4);
    let sender = stand.start("memfd send --socket SOCKET --size 5000 --byte 0xff -v");
    let pid = sender.pid().as_raw_nonzero();
    let log = sender.log();
    let first: i32 =
        result(&log, "memfd_create(\"selkie-0\", MFD_CLOEXEC|MFD_ALLOW_SEALING)").parse().unwrap();
    let receiver = stand.dir.spawn("receiver", stand.command("memfd recv --socket SOCKET --byte 255"));
    let other = receiver.pid().as_raw_nonzero();
    assert_eq!(
        stand.end(receiver),
        said(
            0,
            &format!(
                "3 memfds from process {pid} (selkie)\n\
                 memfd 0, sealed seal+shrink+grow+write: 5000 of 5000 bytes are 0xff\n\
                 memfd 1, sealed seal+shrink+grow+write: 5000 of 5000 bytes are 0x00\n\
                 memfd 2, sealed seal+shrink+grow+write: 5000 of 5000 bytes are 0x01\n"
            )
        )
    );
    let sender = stand.end(sender);
    let (second, third) = (first + 1, first + 2);
    let made: String = (0..3)
        .map(|number| {
            let fd = first + number;
            format!(
                "  memfd_create(\"selkie-{number}\", MFD_CLOEXEC|MFD_ALLOW_SEALING) = {fd}\n  ftruncate({fd}, 5000) = 0\n  \
                 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_SHARED, {fd}, 0) = ADDRESS\n  munmap(ADDRESS, 8192) = 0\n  \
                 fcntl({fd}, F_ADD_SEALS, F_SEAL_SEAL|F_SEAL_SHRINK|F_SEAL_GROW|F_SEAL_WRITE) = 0\n"
            )
        })
        .collect();
    assert!(sender.status == 0 && sender.text.starts_with(&made), "{sender:?}");
    let passed = format!(
        "{HEAD}  accept4(A, NULL, NULL, SOCK_CLOEXEC) = B\n  \
         sendmsg(B, {{iov=[[3]], SCM_RIGHTS=[{first}, {second}, {third}]}}, MSG_NOSIGNAL) = 1\n\
         passed 3 fds to process {other} (selkie)\n  recvfrom(B, buf, 1, 0, NULL, NULL) = 1\n  \
         unlinkat(AT_FDCWD, \"SOCKET\", 0) = 0\n  close({first}) = 0\n  close({second}) = 0\n  close({third}) = 0\n\
         it found every byte as it should be\nafter\n"
    );
    let connection = result(&sender.text, "accept4");
    let listener = result(&sender.text, "socket(AF_UNIX");
    let passed = passed.replace("(A,", &format!("({listener},")).replace("(B,", &format!("({connection},"));
    assert!(sender.text.ends_with(&passed.replace(" = B", &format!(" = {connection}"))), "{}", sender.text);
    assert!(!Path::new(&stand.socket).exists());
}

#[test]
fn a_memfd_is_looked_up_in_its_process() {
    let stand = Stand::new(5);
    let exporter = stand.start("memfd export");
    let log = exporter.log();
    let pid = exporter.pid().as_raw_nonzero();
    let path = log.split(':').next().unwrap();
    let fd = path.rsplit('/').next().unwrap();
    assert_eq!(path, format!("/proc/{pid}/fd/{fd}"));
    let target = std::fs::read_link(path).unwrap();
    assert_eq!(target.to_str().unwrap(), "/memfd:selkie (deleted)");
    let found = format!("{path}, sealed seal+shrink+grow+write: 4194304 of 4194304 bytes are 0x5a\n");
    // Of this one nothing is noticed.
    let open = format!("memfd open --pid {pid} --fd {fd}");
    assert_eq!(stand.run(&format!("{open} --pidfd")), said(0, &found));
    assert_eq!(
        stand.run(&format!("{open} --pidfd -v")),
        said(
            0,
            &format!(
                "  pidfd_open({pid}, 0) = ?\n  pidfd_getfd(?, {fd}, 0) = 4\n  \
                 fcntl(4, F_GET_SEALS) = 0xf (F_SEAL_SEAL|F_SEAL_SHRINK|F_SEAL_GROW|F_SEAL_WRITE)\n  \
                 fstat(4, buf) = 0, st_size=4194304\n  mmap(NULL, 4194304, PROT_READ, MAP_SHARED, 4, 0) = ADDRESS\n  \
                 munmap(ADDRESS, 4194304) = 0\n  close(4) = 0\n{found}"
            )
        )
    );
    assert_eq!(stand.run(&open), said(0, &found));
    assert_eq!(
        stand.end(exporter),
        said(
            0,
            &format!(
                "{path}: a memfd of 4194304 bytes, sealed seal+shrink+grow+write: full of 0x5a\n\
                 in another terminal: selkie shm {open}\n\
                 or, of which nothing is to be noticed here, so that Enter or Ctrl-C end this: selkie shm {open} --pidfd\n\
                 {HEAD}somebody has read it, and is done with it\nafter\n"
            )
        )
    );
}

#[test]
fn other_bytes_are_found_and_counted() {
    let stand = Stand::new(6);
    let writer = stand.start("posix write NAME --size 5000");
    let object = std::fs::OpenOptions::new().write(true).open(stand.object()).unwrap();
    rustix::io::pwrite(&object, &[1, 2, 3], 4000).unwrap();
    let text = "/NAME: 4997 of 5000 bytes are 0x5a; the first other is 0x01, at 4000\n";
    assert_eq!(stand.run("posix read NAME"), said(1, text));
    drop(object);
    assert_eq!(stand.end(writer).status, 0);

    let sender = stand.start("memfd send --socket SOCKET --size 10 --count 1");
    let receiver = stand.run("memfd recv --socket SOCKET --byte 1");
    let found =
        "memfd 0, sealed seal+shrink+grow+write: 0 of 10 bytes are 0x01; the first other is 0x5a, at 0\n";
    assert!(receiver.status == 1 && receiver.text.ends_with(found), "{receiver:?}");
    let sender = stand.end(sender);
    assert!(sender.status == 1 && sender.text.ends_with("\nit found other bytes\nafter\n"), "{sender:?}");
}

#[test]
fn who_is_told_to_stop_removes_what_it_made() {
    let stand = Stand::new(7);
    let lines = ["sysv write --key KEY", "posix write NAME", "memfd send --socket SOCKET", "memfd export"];
    let gone = |line: &str| {
        assert_eq!(stand.segment(), None, "{line}");
        assert!(!stand.object().exists() && !Path::new(&stand.socket).exists(), "{line}");
    };
    for line in lines {
        for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM"), (Signal::HUP, "SIGHUP")] {
            let side = stand.start(line);
            side.signal(signal);
            let side = stand.end(side);
            let end = format!("\nnobody was waited for any longer ({name})\nafter\n");
            assert!(side.status == 0 && side.text.ends_with(&end), "{line}: {side:?}");
            gone(line);
        }
        let side = stand.run(&format!("{line} --seconds 0.01"));
        assert!(
            side.status == 1 && side.text.ends_with("\nnobody came in time\nafter\n"),
            "{line}: {side:?}"
        );
        gone(line);
        // Enter; and before it what is not.
        let mut child = stand.command(line).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"no").unwrap();
        stdin.write_all(b"\n").unwrap();
        let output = child.wait_with_output().unwrap();
        let text = stand.anonymous(std::str::from_utf8(&output.stdout).unwrap());
        assert!(output.status.success(), "{line}: {text}");
        assert!(text.ends_with("\nnobody was waited for any longer (Enter)\nafter\n"), "{line}: {text}");
        gone(line);
    }
}

#[test]
fn what_is_kept_stays_until_a_reader_removes_it() {
    let stand = Stand::new(8);
    let kept = stand.run("sysv write --key KEY --keep --size 100");
    let id = stand.segment().unwrap().id();
    let text = format!(
        "segment {id}, key KEY, mode 0600: 100 bytes of 0x5a\n\
         it stays when this has ended, until somebody removes it: selkie shm sysv read --key KEY --remove\n{HEAD}"
    );
    assert_eq!(kept, said(0, &text));
    assert_eq!(stand.segment().unwrap().stat().unwrap().attached, 0);
    for options in ["", " --remove"] {
        let read = stand.run(&format!("sysv read --key KEY{options}"));
        assert!(read.status == 0 && read.text.ends_with(": 100 of 100 bytes are 0x5a\n"), "{read:?}");
    }
    assert_eq!(stand.segment(), None);

    let text = format!(
        "/NAME, mode 0600: 100 bytes of 0x5a\n\
         it stays when this has ended, until somebody removes it: selkie shm posix read /NAME --remove\n{HEAD}"
    );
    assert_eq!(stand.run("posix write NAME --keep --size 100"), said(0, &text));
    for options in ["", " --remove"] {
        let found = said(0, "/NAME: 100 of 100 bytes are 0x5a\n");
        assert_eq!(stand.run(&format!("posix read NAME{options}")), found);
    }
    assert!(!stand.object().exists());
}

/// The calls that are shown.
const CALLS: &str = "trace=shmget,shmat,shmdt,shmctl,open,openat,ftruncate,fallocate,mmap,munmap,fcntl,memfd_create,inotify_init1,\
                     inotify_add_watch,unlinkat,socket,bind,listen,close,fstat,pread64";

/// A line of -v or of strace in one form: flags sorted, one slash for two, and the one call for opening that this processor may have.
fn plain(line: &str) -> String {
    let line = line
        .trim()
        .replace("//", "/")
        .replace("|O_LARGEFILE", "")
        .replace("openat(AT_FDCWD, ", "open(")
        .replace(", 000)", ", 0)");
    let sorted = |word: &str| {
        let (start, word) =
            word.rsplit_once('(').map_or((String::new(), word), |(a, b)| (format!("{a}("), b));
        let (word, end) = word.find([',', ')']).map_or((word, ""), |at| word.split_at(at));
        let mut flags: Vec<&str> = word.split('|').collect();
        flags.sort_unstable();
        start + &flags.join("|") + end
    };
    line.split(' ').map(sorted).collect::<Vec<_>>().join(" ")
}

#[test]
fn strace_shows_the_same_calls() {
    require_programs!("strace");
    let stand = Stand::new(9);
    for line in [
        "sysv write --key KEY --keep",
        "sysv read --key KEY --remove",
        "posix write NAME --keep",
        "posix read NAME --remove",
        "posix write NAME --seconds 0.01",
        "memfd send --socket SOCKET --seconds 0.01",
        "memfd export --seconds 0.01",
    ] {
        let log = stand.dir.file("strace");
        let mut command = stand.dir.command("strace");
        command.args(["-a1", "-s200", "-e", CALLS, "-o"]).arg(&log);
        command
            .args([env!("CARGO_BIN_EXE_selkie"), "shm"])
            .args(stand.words(line))
            .arg("-v")
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let traced = std::fs::read_to_string(&log).unwrap();
        if traced.is_empty() {
            return support::impossible("this machine does not let strace look");
        }
        let shown = String::from_utf8(output.stdout).unwrap();
        let mut real = traced.lines().map(plain);
        let shown: Vec<&str> = shown.lines().filter(|line| line.starts_with("  ")).collect();
        assert!(shown.len() > 2, "{line}");
        for call in shown {
            let call = plain(call);
            // Structures are written out by one and not by the other.
            let (start, end) = call.split_once("buf").unwrap_or((&call, ""));
            let end = if end.starts_with(") = 0") { ") = 0" } else { end };
            assert!(
                real.any(|real| real.starts_with(start) && real.ends_with(end)),
                "{line}: {call}\n{traced}"
            );
        }
    }
}

#[test]
fn a_dmabuf_pair_passes_one_of_each_source() {
    require_devices!("/dev/udmabuf", "/dev/dma_heap/system");
    let stand = Stand::new(10);
    for (source, exporter) in [("auto", "udmabuf"), ("udmabuf", "udmabuf"), ("dma-heap", "system")] {
        let side = stand.start(&format!("dmabuf export --socket SOCKET --source {source} --size 1M -v"));
        let pid = side.pid().as_raw_nonzero();
        let import = stand.run("dmabuf import --socket SOCKET -v");
        let found =
            format!("from process {pid} (selkie), made by {exporter}: 1048576 of 1048576 bytes are 0x5a\n");
        assert!(import.status == 0 && import.text.contains(&found), "{import:?}");
        let read = "ioctl(4, DMA_BUF_IOCTL_SYNC, {flags=DMA_BUF_SYNC_START|DMA_BUF_SYNC_READ}) = 0\n  \
                    ioctl(4, DMA_BUF_IOCTL_SYNC, {flags=DMA_BUF_SYNC_END|DMA_BUF_SYNC_READ}) = 0\n";
        assert!(import.text.contains(read), "{}", import.text);
        let side = stand.end(side);
        assert!(
            side.status == 0 && side.text.ends_with("it found every byte as it should be\nafter\n"),
            "{side:?}"
        );
        let made = format!("a dma-buf of 1048576 bytes, made by {exporter}: full of 0x5a\n");
        assert!(side.text.contains(&made), "{}", side.text);
        let write = "{flags=DMA_BUF_SYNC_START|DMA_BUF_SYNC_RW}) = 0\n";
        assert!(side.text.contains(write), "{}", side.text);
    }
    // Other bytes; and what is no dma-buf.
    let side = stand.start("dmabuf export --socket SOCKET --size 4K");
    assert_eq!(stand.run("dmabuf import --socket SOCKET --byte 1").status, 1);
    assert_eq!(stand.end(side).status, 1);
    let side = stand.start("memfd send --socket SOCKET --count 1");
    let import = stand.run("dmabuf import --socket SOCKET");
    assert!(import.status == 1 && import.text.contains("memfd"), "{import:?}");
    assert_eq!(stand.end(side).status, 1);
}
