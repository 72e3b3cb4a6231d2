//! `wl_seat`, `wl_pointer` and `wl_keyboard`.

use wayland_server::Resource;
use wayland_server::protocol::wl_keyboard::{self, WlKeyboard};
use wayland_server::protocol::wl_pointer::{self, WlPointer};
use wayland_server::protocol::wl_seat::{self, WlSeat};

use super::global;
use super::surface::surface_id;
use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};
use crate::geometry::Point;
use crate::server::Server;

global!(WlSeat, 11, |_server, _client, object, init| {
    let seat = init.init(object, SeatData);
    if seat.version() >= 2 {
        seat.name("seat0".into());
    }
    seat.capabilities(wl_seat::Capability::Pointer | wl_seat::Capability::Keyboard);
});

/// A bound `wl_seat`.
struct SeatData;

impl Requests<WlSeat> for SeatData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &WlSeat, request: wl_seat::Request) -> Outcome {
        let client = ctx.state().key;
        match request {
            wl_seat::Request::GetPointer { id } => {
                let pointer = ctx.init.init(id, PointerData { client });
                ctx.server.seat.add_pointer(client, pointer.clone())?;
                ctx.server.pointer_made(client, &pointer);
            }
            wl_seat::Request::GetKeyboard { id } => {
                let keyboard = ctx.init.init(id, KeyboardData { client });
                ctx.server.seat.add_keyboard(client, keyboard.clone())?;
                ctx.server.keyboard_made(client, &keyboard);
            }
            wl_seat::Request::GetTouch { .. } => {
                let message = "the seat has no touch screen, as wl_seat.capabilities said";
                return Err(ProtocolError::new(wl_seat::Error::MissingCapability, message));
            }
            _ => {}
        }
        Ok(())
    }
}

/// A `wl_pointer`.
struct PointerData {
    client: u64,
}

impl Requests<WlPointer> for PointerData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &WlPointer, request: wl_pointer::Request) -> Outcome {
        match request {
            wl_pointer::Request::SetCursor { serial, surface, hotspot_x, hotspot_y } => {
                let surface = surface.as_ref().map(surface_id);
                ctx.server.seat_set_cursor(self.client, serial, surface, Point::new(hotspot_x, hotspot_y))
            }
            _ => Ok(()),
        }
    }

    fn destroyed(&self, server: &mut Server, object: &WlPointer) {
        server.seat.remove_pointer(self.client, object);
    }
}

/// A `wl_keyboard`.
struct KeyboardData {
    client: u64,
}

impl Requests<WlKeyboard> for KeyboardData {
    fn request(&self, _: &mut Ctx<'_, '_>, _: &WlKeyboard, _: wl_keyboard::Request) -> Outcome {
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, object: &WlKeyboard) {
        server.seat.remove_keyboard(self.client, object);
    }
}
