//! A file on FUSE whose owner we are: it answers until it is told to fall silent, and then never again.
//!
//! The protocol is spoken raw (fuse(4), linux/fuse.h), so that it needs nothing installed and stalls in
//! the right place.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use selkie_check::fuse::answer;

/// A mounted file system and a file in it. Dropping it ends whoever still waits for an answer, so it must
/// go before anything that may be waiting.
///
/// Any process that has the file open closes it sooner or later, and waits then, even when it is being
/// killed. So a child of the test keeps the file system alive: when the test is killed, the child is,
/// and everybody who waits gets an error. And a test that has one of these is alone in its file: the
/// children of other tests would wait, too.
pub struct Fuse {
    dir: tempfile::TempDir,
    silent: Arc<AtomicBool>,
    /// Closing it ends the owner.
    stop: Option<PipeWriter>,
    owner: Option<JoinHandle<()>>,
    /// Closed last, when nobody has to be asked any more.
    file: Option<File>,
}

impl Fuse {
    /// Mounts it, and opens the file.
    ///
    /// # Errors
    /// Why that cannot be done here.
    pub fn mount() -> Result<Self, String> {
        let why = |e: io::Error| format!("cannot mount a FUSE file system: {e}");
        let device = File::options().read(true).write(true).open("/dev/fuse").map_err(why)?;
        let dir = tempfile::tempdir().map_err(why)?;
        let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
        let (uid, gid) = (uid.as_raw(), gid.as_raw());
        let data = format!("fd={},rootmode=40000,user_id={uid},group_id={gid}", device.as_raw_fd());
        let data = CString::new(data).unwrap();
        mount("fuse", dir.path(), "fuse", MountFlags::NOSUID | MountFlags::NODEV, data.as_c_str())
            .map_err(|e| why(e.into()))?;
        let silent = Arc::new(AtomicBool::new(false));
        let (stopped, stop) = io::pipe().unwrap();
        let quiet = silent.clone();
        let (ready, is_ready) = mpsc::channel();
        let owner = thread::spawn(move || {
            // Dies with this thread, which dies with the process.
            let mut keeper = Command::new("setpriv");
            keeper.args(["--pdeathsig", "KILL", "--", "sleep", "infinity"]);
            let mut keeper = keeper.stdin(device.try_clone().unwrap()).spawn().unwrap();
            ready.send(()).unwrap();
            serve(device, &stopped, &quiet);
            keeper.kill().unwrap();
            keeper.wait().unwrap();
        });
        is_ready.recv().map_err(|e| e.to_string())?;
        let mut fuse = Self { dir, silent, stop: Some(stop), owner: Some(owner), file: None };
        let path = fuse.dir.path().join("file");
        fuse.file = Some(File::options().read(true).write(true).open(path).map_err(why)?);
        Ok(fuse)
    }

    /// The file.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_ref().unwrap().as_fd()
    }

    /// Where it is mounted; the file is called `file` there.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// From now on nobody answers.
    pub fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    /// Takes it out of the mount table; its open file goes on.
    pub fn detach(&self) {
        unmount(self.dir.path(), UnmountFlags::DETACH).unwrap();
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        // With the device closed everywhere, every request fails at once.
        drop(self.stop.take());
        drop(self.owner.take().map(JoinHandle::join));
        let _ = unmount(self.dir.path(), UnmountFlags::DETACH);
    }
}

/// The owner: answers until it is to be quiet, and lets go of the device when it is stopped.
fn serve(device: File, stopped: &PipeReader, quiet: &AtomicBool) {
    let mut request = vec![0_u8; 1 << 18];
    loop {
        let mut fds = [PollFd::new(&device, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        if poll(&mut fds, None).is_err() || !fds[1].revents().is_empty() {
            return;
        }
        let Ok(len) = (&device).read(&mut request) else { return };
        if !quiet.load(Ordering::SeqCst)
            && let Some(reply) = answer(&request[..len])
        {
            let _ = (&device).write(&reply);
        }
    }
}
