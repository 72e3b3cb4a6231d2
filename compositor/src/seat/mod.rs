//! Pointer, keyboard, clipboard and drag and drop: the one seat, and what each client has of it.

mod budget;
mod clipboard;
mod cursor;
mod drag;
mod input;
mod keyboard;
mod keymap;
mod pointer;
mod serials;
mod transfer;

use std::collections::HashMap;

use wayland_server::DisplayHandle;
use wayland_server::protocol::wl_data_device::WlDataDevice;
use wayland_server::protocol::wl_keyboard::WlKeyboard;
use wayland_server::protocol::wl_pointer::WlPointer;

use crate::clock;
use crate::error::{Outcome, ProtocolError};
use crate::geometry::Point;
use crate::protocol;
use crate::scene::Element;
use crate::server::Server;
use crate::shell::Root;
use crate::surface::{Applied, Role, SurfaceId};

pub(crate) use drag::Action;
pub use input::{Axis, AxisSource, InputEvent};
pub use keymap::KeymapError;

use budget::Budget;
use clipboard::Clipboard;
use cursor::Cursor;
use drag::Drag;
use keyboard::Keyboard;
use pointer::Pointer;
use serials::{Event, Serials};
use transfer::Transfers;

/// The one seat.
pub(crate) struct Seat {
    clients: HashMap<u64, SeatClient>,
    serials: Serials,
    pointer: Pointer,
    keyboard: Keyboard,
    cursor: Cursor,
    transfers: Transfers,
    clipboard: Clipboard,
    drag: Option<Drag>,
    /// The popup that has grabbed the seat.
    popup: Option<SurfaceId>,
}

/// So many objects of each kind a client may have of the seat.
const MAX_OBJECTS: usize = 256;

/// What a client has of the seat.
#[derive(Default)]
struct SeatClient {
    pointers: Vec<WlPointer>,
    keyboards: Vec<WlKeyboard>,
    devices: Vec<WlDataDevice>,
    /// How many `wl_data_source`s.
    sources: usize,
    /// The serial of the last `wl_pointer.enter`.
    enter_serial: Option<u32>,
    budget: Budget,
}

impl Seat {
    /// A seat without focus; advertises its globals.
    pub fn new(display: &DisplayHandle) -> Result<Self, KeymapError> {
        protocol::seat::advertise(display);
        protocol::data_device::advertise(display);
        Ok(Self {
            clients: HashMap::new(),
            serials: Serials::default(),
            pointer: Pointer::default(),
            keyboard: Keyboard::new()?,
            cursor: Cursor::new(),
            transfers: Transfers::default(),
            clipboard: Clipboard::default(),
            drag: None,
            popup: None,
        })
    }

    /// How much it keeps of clients: their objects of the seat, data on its way, what has grabbed it.
    #[cfg(feature = "fuzzing")]
    pub fn holdings(&self) -> usize {
        let single = usize::from(self.drag.is_some()) + usize::from(self.popup.is_some());
        self.clients.len() + self.transfers.len() + single
    }

    /// Surfaces that follow the pointer, bottom first: a drag's icon, a client's cursor.
    pub fn icon_roots(&self) -> impl Iterator<Item = Root> {
        let at = self.pointer.whole();
        let icon = self.drag.as_ref().and_then(|d| d.icon_root(at));
        icon.into_iter().chain(self.cursor.root(at).filter(|_| self.pointer.present))
    }

    /// The compositor's own cursor, where it shows.
    pub fn cursor_element(&self, scale: i32) -> Option<Element> {
        if !self.pointer.present {
            return None;
        }
        let (x, y) = self.pointer.position;
        // `as` saturates.
        let px = |v: f64| (v * f64::from(scale)).floor() as i32;
        self.cursor.element(Point::new(px(x), px(y)), scale)
    }

    /// Whether a motion of the pointer changes the picture.
    fn follows_pointer(&self) -> bool {
        self.cursor.shows() || self.drag.is_some()
    }

    fn pointers(&self, client: u64) -> &[WlPointer] {
        self.clients.get(&client).map_or(&[], |c| &c.pointers)
    }

    fn keyboards(&self, client: u64) -> &[WlKeyboard] {
        self.clients.get(&client).map_or(&[], |c| &c.keyboards)
    }

    fn devices(&self, client: u64) -> &[WlDataDevice] {
        self.clients.get(&client).map_or(&[], |c| &c.devices)
    }

    /// Adds a client's `wl_pointer`.
    pub fn add_pointer(&mut self, client: u64, pointer: WlPointer) -> Outcome {
        add(&mut self.clients.entry(client).or_default().pointers, pointer, "wl_pointers")
    }

    /// Adds a client's `wl_keyboard`.
    pub fn add_keyboard(&mut self, client: u64, keyboard: WlKeyboard) -> Outcome {
        add(&mut self.clients.entry(client).or_default().keyboards, keyboard, "wl_keyboards")
    }

    /// Adds a client's `wl_data_device`.
    pub fn add_device(&mut self, client: u64, device: WlDataDevice) -> Outcome {
        add(&mut self.clients.entry(client).or_default().devices, device, "wl_data_devices")
    }

    /// A client's `wl_pointer` is gone.
    pub fn remove_pointer(&mut self, client: u64, pointer: &WlPointer) {
        self.remove(client, |c| c.pointers.retain(|p| p != pointer));
    }

    /// A client's `wl_keyboard` is gone.
    pub fn remove_keyboard(&mut self, client: u64, keyboard: &WlKeyboard) {
        self.remove(client, |c| c.keyboards.retain(|k| k != keyboard));
    }

    /// A client's `wl_data_device` is gone.
    pub fn remove_device(&mut self, client: u64, device: &WlDataDevice) {
        self.remove(client, |c| c.devices.retain(|d| d != device));
    }

    fn remove(&mut self, client: u64, remove: impl FnOnce(&mut SeatClient)) {
        if let Some(seat_client) = self.clients.get_mut(&client) {
            remove(seat_client);
        }
    }

    /// A client is gone.
    pub fn client_gone(&mut self, client: u64) {
        self.clients.remove(&client);
    }

    /// A client wants an event sent to another.
    fn charge(&mut self, client: u64) -> Outcome {
        let budget = &mut self.clients.entry(client).or_default().budget;
        if budget.take(clock::now_ns()) {
            return Ok(());
        }
        let message = format!(
            "more than {} requests a second that go to another client's data source",
            Budget::PER_SECOND
        );
        Err(ProtocolError::no_memory(message))
    }
}

fn add<T>(list: &mut Vec<T>, object: T, what: &str) -> Outcome {
    if list.len() >= MAX_OBJECTS {
        let message = format!("more than {MAX_OBJECTS} {what} at a time");
        return Err(ProtocolError::no_memory(message));
    }
    list.push(object);
    Ok(())
}

impl Server {
    /// After a commit of a cursor's or an icon's surface was applied.
    pub fn seat_committed(&mut self, id: SurfaceId, applied: Applied) {
        match self.surfaces.get(id).map(|s| s.role) {
            Some(Role::Cursor) => self.seat.cursor.moved(id, applied.offset),
            Some(Role::DragIcon) => {
                if let Some(drag) = &mut self.seat.drag {
                    drag.icon_moved(id, applied.offset);
                }
            }
            _ => {}
        }
    }

    /// A surface is being destroyed.
    ///
    /// Whoever lost it is told nothing (the events name an object that is gone); the next frame
    /// finds the new focus.
    pub fn seat_surface_gone(&mut self, id: SurfaceId) {
        let seat = &mut self.seat;
        seat.cursor.gone(id);
        if seat.pointer.focus.is_some_and(|f| f.surface == id) {
            seat.pointer.focus = None;
        }
        if seat.keyboard.focus.is_some_and(|(s, _)| s == id) {
            seat.keyboard.focus = None;
        }
        if seat.popup == Some(id) {
            seat.popup = None;
        }
        self.drag_surface_gone(id);
        self.keyboard_surface_gone(id);
    }

    /// Whether `serial` is that of a key or button event that was sent to `surface`'s client.
    pub fn seat_valid_grab_serial(&self, surface: SurfaceId, serial: u32) -> bool {
        self.client_of(surface)
            .and_then(|client| self.seat.serials.find(client, serial))
            .is_some_and(|event| matches!(event, Event::ButtonDown | Event::Input))
    }

    /// Whether `serial` is that of a button press that `surface`'s client got, and a button has been down
    /// since: what moving, resizing and dragging take.
    pub fn seat_implicit_grab(&self, surface: SurfaceId, serial: u32) -> bool {
        self.client_of(surface).is_some_and(|client| {
            self.seat.pointer.grabbed_since(client, serial)
                && self.seat.serials.find(client, serial) == Some(Event::ButtonDown)
        })
    }

    fn client_of(&self, surface: SurfaceId) -> Option<u64> {
        self.surfaces.get(surface).map(|s| s.client.key)
    }
}

#[cfg(test)]
mod tests;
