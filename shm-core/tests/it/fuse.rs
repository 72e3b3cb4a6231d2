//! A FUSE file whose owner we are: it answers until it is told to fall silent, and tells what it was asked after that.
//!
//! The protocol is spoken raw (`fuse(4)`, `linux/fuse.h`): a handful of messages, and every stall in the right place.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

const LOOKUP: u32 = 1;
const GETATTR: u32 = 3;
pub const READ: u32 = 15;
pub const FLUSH: u32 = 25;
const FORGET: u32 = 2;
const OPEN: u32 = 14;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;

/// A mounted file system with a file of 64 KiB under any name.
pub struct Fuse {
    dir: PathBuf,
    silent: Arc<AtomicBool>,
    /// The requests that came after the owner fell silent.
    pub asked: Receiver<u32>,
}

impl Fuse {
    /// Mounts it on `dir`, or says why that cannot be done here.
    pub fn mount(dir: &Path) -> io::Result<Fuse> {
        let device = File::options().read(true).write(true).open("/dev/fuse")?;
        let target = CString::new(dir.to_str().unwrap()).unwrap();
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let options = format!("fd={},rootmode=40000,user_id={uid},group_id={gid}", device.as_raw_fd());
        let options = CString::new(options).unwrap();
        // SAFETY: all arguments are C strings that live through the call.
        let mounted = unsafe {
            libc::mount(
                c"fuse".as_ptr(),
                target.as_ptr(),
                c"fuse".as_ptr(),
                libc::MS_NOSUID | libc::MS_NODEV,
                options.as_ptr().cast(),
            )
        };
        if mounted != 0 {
            return Err(io::Error::last_os_error());
        }
        let silent = Arc::new(AtomicBool::new(false));
        let (tell, asked) = channel();
        let quiet = Arc::clone(&silent);
        thread::spawn(move || {
            let mut device = device;
            let mut request = vec![0_u8; 1 << 18];
            // An error means that it was unmounted.
            while let Ok(len) = device.read(&mut request) {
                let opcode = word(&request[..len], 4);
                if quiet.load(Ordering::SeqCst) {
                    let _ = tell.send(opcode);
                } else if let Some(reply) = answer(opcode, &request[..len]) {
                    let _ = device.write(&reply);
                }
            }
        });
        Ok(Fuse { dir: dir.to_owned(), silent, asked })
    }

    /// Opens a file while the owner still answers.
    pub fn open(&self, name: &str) -> File {
        File::options().read(true).write(true).open(self.dir.join(name)).unwrap()
    }

    /// From now on nobody answers.
    pub fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    /// Unmounts it lazily: it is in no mount table any more, and its open files go on.
    pub fn detach(&self) {
        unmount(&self.dir);
    }
}

/// Unmounts whatever is mounted on a directory, at once.
pub fn unmount(dir: &Path) {
    let target = CString::new(dir.to_str().unwrap()).unwrap();
    // SAFETY: a C string that lives through the call.
    unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
}

fn word(message: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(message[at..at + 4].try_into().unwrap())
}

/// The answer of an owner that answers.
fn answer(opcode: u32, request: &[u8]) -> Option<Vec<u8>> {
    let node = request[16..24].to_vec();
    let root = node == 1_u64.to_ne_bytes();
    let body: Vec<u8> = match opcode {
        FORGET => return None,
        // Version 7.31, no flags, a little room.
        INIT => {
            let words = [7_u32, 31, 0, 0, 0, 1 << 16, 1];
            let mut body: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
            body.resize(64, 0);
            body
        }
        // Node 2, generation 0, nothing to be cached.
        LOOKUP => {
            [2_u64, 0, 0, 0, 0].iter().flat_map(|w| w.to_ne_bytes()).chain(attributes(2, false)).collect()
        }
        GETATTR => [0_u8; 16].into_iter().chain(attributes(if root { 1 } else { 2 }, root)).collect(),
        OPEN | OPENDIR => vec![0; 16],
        // (Not to know it would mean never to be asked again.)
        FLUSH => Vec::new(),
        READ => vec![0x55; word(request, 56) as usize],
        _ => {
            let mut reply = 16_u32.to_ne_bytes().to_vec();
            reply.extend((-libc::ENOSYS).to_ne_bytes());
            reply.extend(&request[8..16]);
            return Some(reply);
        }
    };
    let mut reply = u32::try_from(16 + body.len()).unwrap().to_ne_bytes().to_vec();
    reply.extend(0_i32.to_ne_bytes());
    reply.extend(&request[8..16]);
    reply.extend(body);
    Some(reply)
}

/// `struct fuse_attr` of a file of 64 KiB, or of a directory.
fn attributes(inode: u64, directory: bool) -> Vec<u8> {
    let mode = if directory { libc::S_IFDIR | 0o755 } else { libc::S_IFREG | 0o644 };
    let mut attributes: Vec<u8> =
        [inode, 1 << 16, 128, 0, 0, 0].iter().flat_map(|w: &u64| w.to_ne_bytes()).collect();
    attributes.extend([0, 0, 0, mode, 1, 0, 0, 0, 4096, 0].iter().flat_map(|w: &u32| w.to_ne_bytes()));
    attributes
}
