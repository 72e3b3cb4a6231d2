//! The names of POSIX objects: the files in `/dev/shm`, also in directories below it.
//!
//! Anybody may make directories there, and mount something of their own on one that answers to nobody. So no step leaves the
//! file system (`RESOLVE_NO_XDEV`, openat2(2)), no link is followed, and no file is opened.

use std::os::fd::OwnedFd;

use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::draft::Drafts;
use super::place::{Facts, Places, Posix};
use super::{Id, InventoryError, Kind};

/// Writes down every file that has a name, before anybody is known to hold it.
pub(super) fn list(places: &Places, drafts: &mut Drafts) -> Result<(), InventoryError> {
    let Some(posix) = places.posix() else { return Ok(()) };
    let failed = |source: Errno| InventoryError::Posix { path: posix.dir.clone(), source: source.into() };
    let root = root(posix).map_err(failed)?;
    // Paths, and not open directories: their number is up to others.
    let mut waiting: Vec<Vec<u8>> = vec![b".".into()];
    while let Some(path) = waiting.pop() {
        let entries = match open(&root, &path, OFlags::RDONLY | OFlags::DIRECTORY).and_then(Dir::new) {
            Ok(entries) => entries,
            Err(error) if path == b"." => return Err(failed(error)),
            // Another user's, gone, or something else is mounted there.
            Err(error) => {
                if error == Errno::ACCESS {
                    drafts.closed_directories += 1;
                }
                continue;
            }
        };
        for entry in entries {
            let Ok(entry) = entry else { break };
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let below = if path == b"." { name.to_vec() } else { [&path, name].join(&b'/') };
            match entry.file_type() {
                FileType::Directory => waiting.push(below),
                FileType::RegularFile => {
                    if let Ok(facts) = facts(&root, &below) {
                        drafts.named(id(&facts), below, facts);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether a file still has this name.
pub(super) fn still_there(places: &Places, path: &[u8], id: Id) -> bool {
    let ask = |posix| facts(&root(posix).ok()?, path).ok();
    places.posix().and_then(ask).is_some_and(|facts| self::id(&facts) == id)
}

fn id(facts: &Facts) -> Id {
    Id { kind: Kind::Posix, device: Some(facts.device), namespace: None, number: facts.inode }
}

fn root(posix: &Posix) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(posix.dir.as_path(), flags, Mode::empty())
}

/// What is known about the file at `path` below the directory.
fn facts(root: &OwnedFd, path: &[u8]) -> rustix::io::Result<Facts> {
    Facts::of(open(root, path, OFlags::PATH)?, "")
}

fn open(root: &OwnedFd, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let stay = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(root, path, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty(), stay)
}
