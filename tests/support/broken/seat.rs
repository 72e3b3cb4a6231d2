//! wl_seat with a keyboard: a keymap in a memfd of its own for each, sealed and read-only.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use wayland_server::protocol::{wl_keyboard, wl_seat};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New};

use super::{Handle, State};

const TEXT: &[u8] = b"xkb_keymap { /* no keys */ };\n\0";

pub fn globals(handle: &Handle) {
    handle.create_global::<State, wl_seat::WlSeat, ()>(7, ());
}

/// A new memfd with a keymap, and the size that is said.
fn keymap(state: &State) -> (OwnedFd, u32) {
    let text = match TEXT {
        text if state.has("keymap-without-an-end") => &text[..text.len() - 1],
        text if state.has("keymap-of-nothing") => &text[10..],
        text => text,
    };
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create("keymap", flags).unwrap();
    rustix::io::pwrite(&fd, text, 0).unwrap();
    let size = if state.has("keymap-said-too-large") { 2 * text.len() } else { text.len() };
    (fd, size as u32)
}

fn closed_off(fd: OwnedFd) -> OwnedFd {
    rustix::fs::fcntl_add_seals(&fd, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW).unwrap();
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

impl State {
    /// Gives a keyboard its keymap.
    fn send_keymap(&mut self, keyboard: &wl_keyboard::WlKeyboard) {
        let (fd, size) = keymap(self);
        let fd = if self.has("keymap-that-cannot-be-mapped") {
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
        } else if self.has("one-keymap-for-all") {
            let first = self.keymaps.first().map(|fd| fd.try_clone().unwrap());
            first.unwrap_or_else(|| {
                self.keymaps.push(fd.try_clone().unwrap());
                fd
            })
        } else {
            closed_off(fd)
        };
        if self.has("keeps-keymaps") {
            self.keymaps.push(fd.try_clone().unwrap());
        }
        if !(self.has("sends-a-keymap-once") && std::mem::replace(&mut self.has_sent_keymap, true)) {
            keyboard.keymap(wl_keyboard::KeymapFormat::XkbV1, fd.as_fd(), size);
        }
    }
}

impl GlobalDispatch<wl_seat::WlSeat, ()> for State {
    fn bind(
        _: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<wl_seat::WlSeat>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(new, ()).capabilities(wl_seat::Capability::Keyboard);
    }
}

impl Dispatch<wl_seat::WlSeat, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &wl_seat::WlSeat,
        request: wl_seat::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wl_seat::Request::GetKeyboard { id } = request {
            let keyboard = init.init(id, ());
            state.send_keymap(&keyboard);
        }
    }
}

impl Dispatch<wl_keyboard::WlKeyboard, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &wl_keyboard::WlKeyboard,
        _: wl_keyboard::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}
