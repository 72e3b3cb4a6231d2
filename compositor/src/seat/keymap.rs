//! What the keys mean: a keymap, given to clients as memory that nobody can change.
//!
//! One memfd serves all clients: sealed against everything, and read-only besides, because a
//! write-sealed fd that is open for writing cannot be mapped shared on kernels before 6.7, which is what
//! clients of `wl_seat` 6 and older may do.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use shm_core::memfd;
use shm_core::pread;
use shm_core::seals::{SealError, Seals};
use xkbcommon::xkb;

/// The keymap where no host has a better one: an evdev keyboard with the layout "us".
const OURS: &str = include_str!("../../../assets/keymap.xkb");

/// Nobody's keymap is larger than this, in bytes.
const MAX_SIZE: u32 = 8 << 20;

/// A keymap that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeymapError {
    /// It does not compile.
    #[error("the keymap is none that xkbcommon understands")]
    Syntax,
    /// It is too large.
    #[error("a keymap of {0} bytes: at most {MAX_SIZE} are taken")]
    TooLarge(u32),
    /// It could not be read from the fd it came in.
    #[error("cannot read the keymap")]
    Read(#[from] pread::PreadError),
    /// The memory for it could not be had.
    #[error("cannot make memory for the keymap")]
    Memory(#[from] memfd::CreateError),
    /// The memory could not be written.
    #[error("cannot write the keymap into its memory")]
    Write(#[source] io::Error),
    /// The memory could not be sealed.
    #[error("cannot seal the keymap's memory")]
    Seal(#[from] SealError),
}

/// A compiled keymap and the memory with its text.
pub(crate) struct Keymap {
    fd: OwnedFd,
    size: u32,
    /// Which keys and modifiers are down, as the keymap sees it.
    pub state: xkb::State,
}

impl Keymap {
    /// Our own.
    pub fn ours() -> Result<Self, KeymapError> {
        Self::compile(OURS)
    }

    /// The one that `size` bytes of `fd` hold; they are copied.
    pub fn from_fd(fd: BorrowedFd<'_>, size: u32) -> Result<Self, KeymapError> {
        if size > MAX_SIZE {
            return Err(KeymapError::TooLarge(size));
        }
        let mut bytes = vec![0; size as usize];
        let read = pread::read_at(fd, 0, &mut bytes)?;
        bytes.truncate(read);
        let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
        Self::compile(std::str::from_utf8(text).map_err(|_| KeymapError::Syntax)?)
    }

    fn compile(text: &str) -> Result<Self, KeymapError> {
        let context = xkb::Context::new(xkb::CONTEXT_NO_DEFAULT_INCLUDES | xkb::CONTEXT_NO_ENVIRONMENT_NAMES);
        let (format, flags) = (xkb::KEYMAP_FORMAT_TEXT_V1, xkb::KEYMAP_COMPILE_NO_FLAGS);
        let keymap = xkb::Keymap::new_from_string(&context, text.to_owned(), format, flags)
            .ok_or(KeymapError::Syntax)?;
        // The text ends with a NUL, which counts.
        let size = u32::try_from(text.len() + 1).map_err(|_| KeymapError::TooLarge(u32::MAX))?;
        let mut file = File::from(memfd::create("selkie-keymap", size.into(), Some(Seals::empty()))?);
        file.write_all(text.as_bytes()).map_err(KeymapError::Write)?;
        Seals::add(&file, Seals::WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL)?;
        Ok(Self { fd: read_only(file.into()), size, state: xkb::State::new(&keymap) })
    }

    /// The memory, as `wl_keyboard.keymap` gives it away.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Its size in bytes, the NUL at the end included.
    pub fn size(&self) -> u32 {
        self.size
    }
}

/// The same file, open for reading only. Without /proc, `fd` itself: the seals hold anyway.
fn read_only(fd: OwnedFd) -> OwnedFd {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap_or(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_core::frozen::Frozen;

    #[test]
    fn ours_compiles_and_cannot_be_changed() {
        let keymap = Keymap::ours().unwrap();
        let flags = rustix::fs::fcntl_getfl(keymap.fd()).unwrap();
        assert_eq!(flags & OFlags::ACCMODE, OFlags::RDONLY);
        let text = Frozen::new(keymap.fd(), keymap.size().into()).unwrap();
        assert_eq!(&text[..text.len() - 1], OURS.as_bytes());
        assert_eq!(text.last(), Some(&0));
        // KEY_A is 30; X11 counts from 8.
        assert_eq!(keymap.state.key_get_utf8((30_u32 + 8).into()), "a");
    }

    #[test]
    fn a_hosts_keymap_is_copied() {
        let ours = Keymap::ours().unwrap();
        let copy = Keymap::from_fd(ours.fd(), ours.size()).unwrap();
        assert_eq!(copy.size(), ours.size());
        let id = |k: &Keymap| rustix::fs::fstat(k.fd()).unwrap().st_ino;
        assert_ne!(id(&copy), id(&ours));
    }

    #[test]
    fn what_is_no_keymap_is_refused() {
        assert!(matches!(Keymap::compile("xkb_keymap {"), Err(KeymapError::Syntax)));
        let fd = memfd::create("none", 4096, None).unwrap();
        assert!(matches!(Keymap::from_fd(fd.as_fd(), 4096), Err(KeymapError::Syntax)));
        assert!(matches!(Keymap::from_fd(fd.as_fd(), u32::MAX), Err(KeymapError::TooLarge(_))));
    }
}
