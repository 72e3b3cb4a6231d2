//! A file whose owner answers nobody but this process: whoever else asks its file system for anything waits.
//!
//! The protocol is spoken raw (fuse(4), linux/fuse.h), so that it needs nothing installed. Those who wait get an error as
//! soon as the device is closed: when the [`Owner`] is dropped, and also when this process is killed. But to close the file
//! is a question, too, and a process that is being killed would wait for itself, and everybody else with it: so the file is
//! to be closed as soon as it has been sent.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::case::Stop;
use crate::memory::cannot;

const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const ENOSYS: i32 = 38;

/// The file's size in bytes.
pub const SIZE: u64 = 1 << 16;

/// The owner of the file, whose file system is mounted nowhere any more. Dropping it lets go whoever waits.
#[derive(Debug)]
pub struct Owner {
    /// Closing it ends the thread, which closes the device.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Makes one, and its file, which is to be closed soon.
///
/// # Errors
///
/// [`Stop::Skip`] where mounting is not permitted.
pub fn unanswered() -> Result<(Owner, File), Stop> {
    let why = |error: io::Error| cannot("mount a FUSE file system")(error);
    let device = File::options().read(true).write(true).open("/dev/fuse").map_err(why)?;
    let dir = tempfile::tempdir().map_err(why)?;
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    // Whoever else may open it: a compositor may be another user, which would be turned away without being asked.
    let data = format!("fd={},rootmode=40000,user_id={uid},group_id={gid},allow_other", device.as_raw_fd());
    let data = CString::new(data).map_err(|error| why(error.into()))?;
    let (stopped, stop) = io::pipe().map_err(why)?;
    mount("fuse", dir.path(), "fuse", MountFlags::NOSUID | MountFlags::NODEV, data.as_c_str())
        .map_err(|error| why(error.into()))?;
    let thread = thread::spawn(move || serve(device, &stopped));
    let owner = Owner { stop: Some(stop), thread: Some(thread) };
    let file = File::options().read(true).write(true).open(dir.path().join("file"));
    let detached = unmount(dir.path(), UnmountFlags::DETACH);
    detached.map_err(|error| why(error.into()))?;
    Ok((owner, file.map_err(why)?))
}

/// The owner, until it is stopped.
fn serve(device: File, stopped: &PipeReader) {
    let mut request = vec![0; 1 << 18];
    loop {
        let mut fds = [PollFd::new(&device, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        if poll(&mut fds, None).is_err() || fds.iter().skip(1).any(|fd| !fd.revents().is_empty()) {
            return;
        }
        let Ok(len) = (&device).read(&mut request) else { return };
        let Some(request) = request.get(..len) else { return };
        let reply = answer(request);
        if let Some(reply) = reply.filter(|_| is_ours(request)) {
            let _ = (&device).write(&reply);
        }
    }
}

fn word(request: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(request.get(at..at + 4)?.try_into().ok()?))
}

/// Whether a thread of this process asks.
fn is_ours(request: &[u8]) -> bool {
    word(request, 4) == Some(INIT)
        || word(request, 32).is_some_and(|thread| Path::new(&format!("/proc/self/task/{thread}")).exists())
}

/// What an owner that answers says to a request: size, error, the request's number, and a structure.
pub fn answer(request: &[u8]) -> Option<Vec<u8>> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
    let root = request.get(16..24)? == 1_u64.to_ne_bytes();
    let (error, body) = match word(request, 4)? {
        FORGET => return None,
        // Version 7.31, no flags, a little room.
        INIT => (0, words(&[7, 31, 0, 0, 0, 1 << 16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        // Node 2, to be forgotten at once.
        LOOKUP => (0, [words(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]), attributes(false)].concat()),
        GETATTR => (0, [words(&[0; 4]), attributes(root)].concat()),
        OPEN | OPENDIR => (0, words(&[0; 4])),
        FLUSH => (0, Vec::new()),
        _ => (-ENOSYS, Vec::new()),
    };
    let mut reply = words(&[u32::try_from(16 + body.len()).ok()?]);
    reply.extend(error.to_ne_bytes());
    reply.extend(request.get(8..16)?);
    reply.extend(body);
    Some(reply)
}

/// `struct fuse_attr` of the file, or of the directory.
fn attributes(directory: bool) -> Vec<u8> {
    let (inode, mode) = if directory { (1, 0o40755) } else { (2, 0o100_666) };
    let long = [inode, SIZE, 128, 0, 0, 0];
    let short = [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0_u32];
    let long = long.iter().flat_map(|word| word.to_ne_bytes());
    long.chain(short.iter().flat_map(|word| word.to_ne_bytes())).collect()
}
