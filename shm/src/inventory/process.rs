//! What each process holds: its open files and its mappings.
//!
//! The text of a link in `/proc/PID/fd` comes from the kernel alone and sorts out nearly all files. What is left is asked for its
//! device ([`Facts`], which opens nothing), and only what that proves to be a memfd is opened, for its seals. A process may
//! put another file under the same number at any moment, so each step looks again at what it has got.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{CWD, Mode, OFlags};
use shm_core::seals::Seals;

use super::draft::Drafts;
use super::maps::{self, Line};
use super::place::{self, Facts, Places};
use super::{Device, Id, InventoryError, Kind, Mapping};

/// What the kernel puts after the path of a file that has no name any more.
const DELETED: &[u8] = b" (deleted)";

/// The flag of a kernel thread in `/proc/PID/stat` (`PF_KTHREAD`).
const KERNEL_THREAD: u32 = 0x0020_0000;

/// The number of a namespace of a process (or `self`), if it may be known.
pub(super) fn namespace(process: &str, kind: &str) -> Option<u64> {
    let link = fs::read_link(format!("/proc/{process}/ns/{kind}")).ok()?;
    link.to_str()?.strip_prefix(kind)?.strip_prefix(":[")?.strip_suffix(']')?.parse().ok()
}

/// The IPC namespace of a process.
pub(super) fn ipc_namespace(process: &str) -> Option<u64> {
    namespace(process, "ipc")
}

/// Looks at all processes, and says how many could not be looked at.
pub(super) fn scan(
    places: &mut Places,
    ipc: Option<u64>,
    drafts: &mut Drafts,
) -> Result<usize, InventoryError> {
    let failed = |source| InventoryError::Proc { path: "/proc".into(), source };
    let mut unreadable = 0;
    let mut text = Vec::new();
    for entry in fs::read_dir("/proc").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let mut look = Look { pid, places, ipc, drafts };
        // Both, so that one that fails does not keep us from what the other says.
        let (files, mappings) = (look.files(), look.mappings(&mut text));
        match files.and(mappings) {
            Err(error) if !is_gone(&error) && !holds_nothing(pid) => {
                tracing::debug!(pid, %error, "cannot look at a process");
                unreadable += 1;
            }
            _ => {}
        }
    }
    Ok(unreadable)
}

/// Whether an error says that the process has ended meanwhile.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// Whether a process that may not be looked at has no memory or files at all: part of the kernel, or dead.
fn holds_nothing(pid: i32) -> bool {
    match procfs::process::Process::new(pid).and_then(|process| process.stat()) {
        Ok(stat) => matches!(stat.state, 'Z' | 'X') || stat.flags & KERNEL_THREAD != 0,
        Err(error) => matches!(error, procfs::ProcError::NotFound(_)),
    }
}

/// The looking at one process.
struct Look<'a> {
    pid: i32,
    places: &'a mut Places,
    ipc: Option<u64>,
    drafts: &'a mut Drafts,
}

impl Look<'_> {
    /// Its open files.
    fn files(&mut self) -> io::Result<()> {
        for entry in fs::read_dir(format!("/proc/{}/fd", self.pid))? {
            let entry = entry?;
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            match fs::read_link(entry.path()) {
                Ok(link) => self.file(number, link.as_os_str().as_bytes()),
                // It was closed.
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One open file, with what its link says. What cannot be asked about is gone.
    fn file(&mut self, number: i32, link: &[u8]) {
        let may_be_memory = link.starts_with(b"/memfd:")
            || link.starts_with(b"/SYSV")
            || link.starts_with(b"/dmabuf:")
            || self.places.posix_name(link, None).is_some()
            || place::may_be_foreign(link);
        if !may_be_memory {
            return;
        }
        let path = format!("/proc/{}/fd/{number}", self.pid);
        let Ok(facts) = Facts::at(&path) else { return };
        let exporter = if link.starts_with(b"/dmabuf:") {
            let Some((inode, exporter)) = exporter(self.pid, number) else { return };
            if inode.is_some_and(|inode| inode != facts.inode) {
                return;
            }
            self.places.found_dmabuf(facts.device);
            Some(exporter)
        } else {
            None
        };
        let Some(found) = self.identify(link, facts.device, facts.inode) else { return };
        let id = found.id;
        self.learn(found, Some(facts), &path);
        self.drafts.at(id).exporter = exporter.or_else(|| self.drafts.at(id).exporter.take());
        self.drafts.holder(id, self.pid).fds.push(number);
    }

    /// Its mappings.
    fn mappings(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        text.clear();
        File::open(format!("/proc/{}/maps", self.pid))?.read_to_end(text)?;
        for line in maps::with_path(text) {
            self.mapping(&line);
        }
        Ok(())
    }

    fn mapping(&mut self, line: &Line<'_>) {
        let Some(found) = self.identify(line.path, line.device, line.inode) else { return };
        let id = found.id;
        // Whoever has an fd of it has told all about it already; else only this link leads to it, for those who may follow
        // it.
        let path = format!("/proc/{}/map_files/{:x}-{:x}", self.pid, line.start, line.end);
        let known = self.drafts.get(id).is_some_and(|piece| piece.size.is_some());
        let facts = if known { None } else { Facts::at(&path).ok() };
        let same = |facts: &Facts| (facts.device, facts.inode) == (line.device, line.inode);
        self.learn(found, facts.filter(same), &path);
        let size = line.end.saturating_sub(line.start);
        let mapping = Mapping { address: line.start, size, access: line.access.to_owned() };
        self.drafts.holder(id, self.pid).mappings.push(mapping);
    }

    /// What the file is that the kernel calls `path`, if it is shared memory.
    fn identify<'p>(&mut self, path: &'p [u8], device: Device, inode: u64) -> Option<Found<'p>> {
        let plain = path.strip_suffix(DELETED).unwrap_or(path);
        let found = |kind, name: &'p [u8], foreign| Found {
            id: Id { kind, device: Some(device), namespace: None, number: inode },
            name,
            removed: false,
            foreign,
            huge_page: None,
        };
        if let Some(huge_page) = self.places.kernel(device) {
            if let Some(key) = plain.strip_prefix(b"/SYSV") {
                let foreign = ipc_namespace(&self.pid.to_string()).filter(|theirs| Some(*theirs) != self.ipc);
                // The kernel makes the id the inode number.
                let id = Id { kind: Kind::Sysv, device: None, namespace: foreign, number: inode };
                return Some(Found { id, name: key, removed: false, foreign: foreign.is_some(), huge_page });
            }
            // The rest is anonymous memory, and what drivers keep there.
            let name = plain.strip_prefix(b"/memfd:")?;
            return Some(Found { huge_page, ..found(Kind::Memfd, name, false) });
        }
        if let Some(name) = self.places.posix_name(plain, Some(device)) {
            return Some(Found { removed: plain != path, ..found(Kind::Posix, name, false) });
        }
        if let Some(name) = path.strip_prefix(b"/dmabuf:") {
            return self.places.dmabufs(device, self.pid).then(|| found(Kind::Dmabuf, name, false));
        }
        let name = self.places.foreign_posix_name(plain, device, self.pid)?;
        Some(Found { removed: plain != path, ..found(Kind::Posix, name, true) })
    }

    /// Writes down what is known about a piece now. `path` leads to it.
    fn learn(&mut self, found: Found<'_>, facts: Option<Facts>, path: &str) {
        let id = found.id;
        let fresh = self.drafts.get(id).is_none_or(|piece| piece.size.is_none());
        self.drafts.found(&found, facts);
        if let Some(facts) = facts
            && id.kind == Kind::Memfd
            && fresh
            && !self.drafts.seals_are_final(id)
        {
            self.drafts.at(id).seals = seals(path, facts);
        }
    }
}

/// A piece that a process holds.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub id: Id,
    pub name: &'a [u8],
    pub removed: bool,
    pub foreign: bool,
    pub huge_page: Option<u64>,
}

/// The seals of a memfd, which has to be opened for this. `None` if that may not be.
fn seals(path: &str, facts: Facts) -> Option<Seals> {
    // This opens nothing yet, but from now on the process cannot put another file in its place.
    let pinned = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let now = Facts::of(pinned.as_fd(), "").ok()?;
    if (now.device, now.inode) != (facts.device, facts.inode) {
        return None;
    }
    // Memory opens without waiting for anybody, unless its owner has taken a lease; that would be an error here.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let again = format!("/proc/thread-self/fd/{}", pinned.as_raw_fd());
    let file = rustix::fs::openat(CWD, again, flags, Mode::empty()).ok()?;
    Seals::of(file).ok()
}

/// If a process's fd is a dma-buf: its inode number, where the kernel says that (since 5.14), and who made it.
fn exporter(pid: i32, number: i32) -> Option<(Option<u64>, String)> {
    parse_exporter(&fs::read(format!("/proc/{pid}/fdinfo/{number}")).ok()?)
}

fn parse_exporter(text: &[u8]) -> Option<(Option<u64>, String)> {
    // The first line of each kind: the name comes last, and its owner may have put more lines into it.
    let value = |key: &[u8]| text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(key));
    let exporter = String::from_utf8_lossy(value(b"exp_name:")?.trim_ascii()).into_owned();
    let inode = value(b"ino:").and_then(|text| std::str::from_utf8(text).ok()?.trim().parse().ok());
    Some((inode, exporter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_who_made_a_dmabuf() {
        let text = b"pos:\t0\nflags:\t02\nmnt_id:\t14\nino:\t5\nsize:\t4096\ncount:\t1\nexp_name:\tudmabuf\nname:\tx\nexp_name:\ty\n";
        assert_eq!(parse_exporter(text), Some((Some(5), "udmabuf".to_owned())));
        assert_eq!(parse_exporter(b"pos:\t0\nflags:\t02\nmnt_id:\t14\nino:\t5\n"), None);
        assert_eq!(parse_exporter(b"size:\t4096\nexp_name:\ti915\n"), Some((None, "i915".to_owned())));
    }

    #[test]
    #[cfg(not(miri))] // system calls
    fn knows_who_holds_nothing() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(!holds_nothing(own));
        assert!(holds_nothing(i32::MAX), "there is no such process");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).unwrap();
        assert!(holds_nothing(pid.as_raw_nonzero().get()), "it is dead");
        child.wait().unwrap();
    }
}
