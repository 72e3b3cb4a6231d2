//! The keyboard: which keys are down, what they mean, and who hears of them.
//!
//! The shell says which window has the focus; a popup that grabbed takes precedence. Focus also decides
//! to whom the clipboard is offered.

use wayland_server::Resource;
use wayland_server::protocol::wl_keyboard::{self, WlKeyboard};
use xkbcommon::xkb;

use super::keymap::{Keymap, KeymapError};
use super::serials::Event;
use crate::clock;
use crate::server::Server;
use crate::surface::SurfaceId;

/// The repetition of keys that are held, as long as no host says otherwise.
const REPEAT: (i32, i32) = (25, 600);

/// xkb counts keys from 8, as X11 did.
const XKB_OFFSET: u32 = 8;

/// No keyboard has more keys to hold down.
const MAX_DOWN: usize = 256;

/// The keyboard's state.
pub(crate) struct Keyboard {
    keymap: Keymap,
    /// Repeats per second of a key that is held (0: none), and milliseconds before the first.
    repeat: (i32, i32),
    /// The keys that are down, evdev codes.
    down: Vec<u32>,
    /// The modifiers as clients were told: depressed, latched, locked, group.
    told: [u32; 4],
    /// Whether a host says what the modifiers are.
    mirrored: bool,
    /// Whether the keyboard is ours at all.
    ours: bool,
    /// The window that the shell gave the focus.
    wanted: Option<SurfaceId>,
    /// The surface that was told that it has the focus, and its client.
    pub focus: Option<(SurfaceId, u64)>,
}

impl Keyboard {
    /// A keyboard with our own keymap and no key down.
    pub fn new() -> Result<Self, KeymapError> {
        Ok(Self {
            keymap: Keymap::ours()?,
            repeat: REPEAT,
            down: Vec::new(),
            told: [0; 4],
            mirrored: false,
            ours: true,
            wanted: None,
            focus: None,
        })
    }

    /// Whether the modifier of that name (`xkb::MOD_NAME_…`) is in effect.
    pub fn has_modifier(&self, name: &str) -> bool {
        self.keymap.state.mod_name_is_active(name, xkb::STATE_MODS_EFFECTIVE)
    }

    fn modifiers(&self) -> [u32; 4] {
        let state = &self.keymap.state;
        [
            state.serialize_mods(xkb::STATE_MODS_DEPRESSED),
            state.serialize_mods(xkb::STATE_MODS_LATCHED),
            state.serialize_mods(xkb::STATE_MODS_LOCKED),
            state.serialize_layout(xkb::STATE_LAYOUT_EFFECTIVE),
        ]
    }

    /// Starts again from no modifiers and the keys that are down.
    fn reset(&mut self) {
        let mut state = xkb::State::new(&self.keymap.state.get_keymap());
        if !self.mirrored {
            for key in &self.down {
                state.update_key(key.saturating_add(XKB_OFFSET).into(), xkb::KeyDirection::Down);
            }
        }
        self.keymap.state = state;
    }
}

impl Server {
    /// Gives the keyboard to a window, or to nobody.
    pub fn seat_focus(&mut self, surface: Option<SurfaceId>) {
        self.seat.keyboard.wanted = surface;
        self.keyboard_refocus();
    }

    /// A popup grabs the seat, or nothing does any more: it has the keyboard, and its client alone
    /// the pointer.
    pub fn seat_popup_grab(&mut self, popup: Option<SurfaceId>) {
        if self.seat.popup == popup {
            return;
        }
        self.seat.popup = popup;
        if popup.is_some() {
            // A menu that opened while the button is down is chosen from by moving there.
            self.seat.pointer.ungrab();
        }
        self.keyboard_refocus();
        self.seat_refresh();
    }

    /// Takes over a host's keymap: `size` bytes of `fd`, as `wl_keyboard.keymap` gave them.
    pub fn input_keymap(&mut self, fd: std::os::fd::OwnedFd, size: u32) {
        use std::os::fd::AsFd;
        match Keymap::from_fd(fd.as_fd(), size) {
            Ok(keymap) => {
                // A host that has a keyboard says when it is ours, and what its modifiers are.
                if !std::mem::replace(&mut self.seat.keyboard.mirrored, true) {
                    self.keyboard_left();
                }
                self.seat.keyboard.keymap = keymap;
            }
            Err(e) => {
                tracing::warn!("the host's keymap is not taken over: {e}");
                return;
            }
        }
        self.seat.keyboard.reset();
        let (fd, size) = (self.seat.keyboard.keymap.fd(), self.seat.keyboard.keymap.size());
        for keyboard in self.seat.clients.values().flat_map(|c| &c.keyboards) {
            keyboard.keymap(wl_keyboard::KeymapFormat::XkbV1, fd, size);
        }
        self.tell_modifiers();
    }

    /// Takes over how a host's keys repeat: times per second (0: not at all), and milliseconds
    /// before the first time. A host that names negative ones is not listened to.
    pub fn input_repeat(&mut self, rate: i32, delay: i32) {
        if rate < 0 || delay < 0 {
            return;
        }
        self.seat.keyboard.repeat = (rate, delay);
        for keyboard in self.seat.clients.values().flat_map(|c| &c.keyboards) {
            if keyboard.version() >= 4 {
                keyboard.repeat_info(rate, delay);
            }
        }
    }

    pub(super) fn keyboard_key(&mut self, key: u32, pressed: bool, time_us: u64) {
        let keyboard = &mut self.seat.keyboard;
        let at = keyboard.down.iter().position(|k| *k == key);
        match (pressed, at) {
            (true, None) if keyboard.down.len() < MAX_DOWN => keyboard.down.push(key),
            (false, Some(at)) => {
                keyboard.down.swap_remove(at);
            }
            _ => return,
        }
        if !keyboard.mirrored {
            let direction = if pressed { xkb::KeyDirection::Down } else { xkb::KeyDirection::Up };
            keyboard.keymap.state.update_key(key.saturating_add(XKB_OFFSET).into(), direction);
        }
        if let Some((_, client)) = self.seat.keyboard.focus {
            let serial = self.seat.serials.issue(client, Event::Input);
            let time = clock::event_time(time_us.saturating_mul(1000));
            let state =
                if pressed { wl_keyboard::KeyState::Pressed } else { wl_keyboard::KeyState::Released };
            for keyboard in self.seat.keyboards(client) {
                keyboard.key(serial, time, key, state);
            }
        }
        self.modifiers_changed();
    }

    pub(super) fn keyboard_modifiers(&mut self, [depressed, latched, locked, group]: [u32; 4]) {
        let keyboard = &mut self.seat.keyboard;
        if !keyboard.mirrored {
            keyboard.mirrored = true;
            keyboard.reset();
        }
        keyboard.keymap.state.update_mask(depressed, latched, locked, 0, 0, group);
        self.modifiers_changed();
    }

    pub(super) fn keyboard_entered(&mut self, mut keys: Vec<u32>) {
        keys.truncate(MAX_DOWN);
        // Who has the focus already must learn of the keys too.
        self.keyboard_left();
        let keyboard = &mut self.seat.keyboard;
        keyboard.down = keys;
        keyboard.ours = true;
        if !keyboard.mirrored {
            keyboard.reset();
        }
        self.keyboard_refocus();
    }

    pub(super) fn keyboard_left(&mut self) {
        let keyboard = &mut self.seat.keyboard;
        keyboard.down.clear();
        keyboard.ours = false;
        keyboard.reset();
        self.keyboard_refocus();
    }

    /// A surface is gone, and perhaps the focus with it.
    pub(super) fn keyboard_surface_gone(&mut self, id: SurfaceId) {
        let keyboard = &mut self.seat.keyboard;
        keyboard.wanted = keyboard.wanted.filter(|s| *s != id);
        self.keyboard_refocus();
    }

    /// Gives the keyboard to whom it belongs now.
    pub(super) fn keyboard_refocus(&mut self) {
        let keyboard = &self.seat.keyboard;
        let target = self.seat.popup.or(keyboard.wanted).filter(|_| keyboard.ours);
        let target = target.and_then(|s| Some((s, self.client_of(s)?)));
        if target == keyboard.focus {
            return;
        }
        let old = std::mem::replace(&mut self.seat.keyboard.focus, target);
        if let Some((surface, client)) = old
            && let Some(surface) = self.surfaces.get(surface)
        {
            let serial = self.seat.serials.next();
            for keyboard in self.seat.keyboards(client) {
                keyboard.leave(serial, &surface.resource);
            }
        }
        let Some((_, client)) = target else { return };
        if old.map(|(_, client)| client) != Some(client) {
            self.offer_selection(client);
        }
        let serial = self.seat.serials.issue(client, Event::Other);
        for keyboard in self.seat.keyboards(client) {
            self.tell_entered(keyboard, serial);
        }
        self.seat.keyboard.told = self.seat.keyboard.modifiers();
    }

    /// A client has made itself another `wl_keyboard`: tells it what the others know.
    pub fn keyboard_made(&mut self, client: u64, resource: &WlKeyboard) {
        let keymap = &self.seat.keyboard.keymap;
        resource.keymap(wl_keyboard::KeymapFormat::XkbV1, keymap.fd(), keymap.size());
        if resource.version() >= 4 {
            let (rate, delay) = self.seat.keyboard.repeat;
            resource.repeat_info(rate, delay);
        }
        if self.seat.keyboard.focus.is_some_and(|(_, c)| c == client) {
            let serial = self.seat.serials.issue(client, Event::Other);
            self.tell_entered(resource, serial);
        }
    }

    /// Tells `resource` that its client's surface has the keyboard.
    fn tell_entered(&self, resource: &WlKeyboard, serial: u32) {
        let keyboard = &self.seat.keyboard;
        let Some(surface) = keyboard.focus.and_then(|(s, _)| self.surfaces.get(s)) else { return };
        let keys = keyboard.down.iter().flat_map(|key| key.to_ne_bytes()).collect();
        resource.enter(serial, &surface.resource, keys);
        let [depressed, latched, locked, group] = keyboard.modifiers();
        resource.modifiers(serial, depressed, latched, locked, group);
    }

    fn modifiers_changed(&mut self) {
        self.tell_modifiers();
        if self.seat.drag.is_some() {
            self.drag_negotiate();
        }
    }

    /// Tells whoever has the keyboard what the modifiers are, if that has changed.
    fn tell_modifiers(&mut self) {
        let now = self.seat.keyboard.modifiers();
        if std::mem::replace(&mut self.seat.keyboard.told, now) == now {
            return;
        }
        if let Some((_, client)) = self.seat.keyboard.focus {
            let serial = self.seat.serials.issue(client, Event::Other);
            let [depressed, latched, locked, group] = now;
            for keyboard in self.seat.keyboards(client) {
                keyboard.modifiers(serial, depressed, latched, locked, group);
            }
        }
    }
}
