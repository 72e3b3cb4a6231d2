//! The keymap that a compositor hands out with each keyboard, and what a client could do to it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::OFlags;
use wayland_client::WEnum;
use wayland_client::protocol::wl_keyboard::{self, KeymapFormat, WlKeyboard};
use wayland_client::protocol::wl_seat::{self, Capability, WlSeat};

use crate::case::Stop;
use crate::client::Client;
use crate::memory::{self, cannot};

/// `wl_keyboard.keymap`.
#[derive(Debug)]
pub struct Keymap {
    /// The memory.
    pub fd: OwnedFd,
    /// The keyboard that it is for.
    pub keyboard: WlKeyboard,
    /// How large it is said to be, in bytes.
    pub size: u32,
}

impl Client {
    /// Binds a seat with a keyboard, in the version offered, but at most `most`.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if there is none.
    pub fn seat(&mut self, most: u32) -> Result<WlSeat, Stop> {
        let seat: WlSeat = self.bind(most)?;
        self.roundtrip()?;
        let has_keyboard = self.of(&seat).iter().any(|event| match event {
            wl_seat::Event::Capabilities { capabilities: WEnum::Value(all) } => {
                all.contains(Capability::Keyboard)
            }
            _ => false,
        });
        if has_keyboard { Ok(seat) } else { Err(Stop::skip("the seat has no keyboard")) }
    }

    /// The keymap of a new keyboard of that seat.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if it has none, [`Stop::Hang`] if none is sent.
    pub fn keymap(&mut self, seat: &WlSeat) -> Result<Keymap, Stop> {
        let keyboard: WlKeyboard = seat.get_keyboard(&self.qh(), ());
        let keyboard = self.note(keyboard);
        self.wait_for(&keyboard, 1)?;
        let keymap = self.of(&keyboard).into_iter().find_map(|event| match event {
            wl_keyboard::Event::Keymap { format: WEnum::Value(KeymapFormat::XkbV1), fd, size } => {
                Some((fd.as_fd(), *size))
            }
            _ => None,
        });
        let (fd, size) =
            keymap.ok_or_else(|| Stop::skip("the keyboard has no keymap in the format of XKB"))?;
        let fd = fd.try_clone_to_owned().map_err(cannot("copy an fd"))?;
        Ok(Keymap { fd, keyboard, size })
    }
}

impl Keymap {
    /// What it holds, as far as there is anything.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if it cannot be read.
    pub fn text(&self) -> Result<Vec<u8>, Stop> {
        let mut bytes = vec![0; self.size as usize];
        let mut len = 0;
        while let Some(rest) = bytes.get_mut(len..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(&self.fd, rest, len as u64) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) => return Err(Stop::fail("a keymap that can be read", error)),
            }
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    /// An fd by which the memory may be written: the one handed out, or the file opened anew, as far as an ordinary
    /// process may do that.
    pub fn writable(&self) -> Option<OwnedFd> {
        let flags = rustix::fs::fcntl_getfl(&self.fd).ok()?;
        if flags & OFlags::ACCMODE != OFlags::RDONLY {
            return self.fd.try_clone().ok();
        }
        // What nobody may open, root may all the same; that is not held against it.
        let mode = rustix::fs::fstat(&self.fd).ok()?.st_mode;
        if mode & 0o222 == 0 {
            return None;
        }
        memory::reopened(&self.fd, OFlags::RDWR).ok()
    }
}
