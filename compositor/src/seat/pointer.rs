//! The pointer: where it is, whom it points at, and what its buttons and wheels tell that client.
//!
//! While a button is down, whoever got it gets everything (the implicit grab). Otherwise the focus is
//! found anew whenever the pointer moves or things move under it.

use wayland_server::Resource;
use wayland_server::protocol::wl_pointer::{self, WlPointer};

use super::input::{Axis, AxisSource};
use super::serials::{Event, not_older};
use crate::clock;
use crate::geometry::Point;
use crate::server::Server;
use crate::surface::SurfaceId;

/// `BTN_LEFT` of linux/input-event-codes.h.
const BTN_LEFT: u32 = 0x110;
/// `BTN_RIGHT`.
const BTN_RIGHT: u32 = 0x111;

/// The surface the pointer is in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Focus {
    pub surface: SurfaceId,
    pub client: u64,
    /// Where in the surface, in its units.
    local: (f64, f64),
    /// The serial of `wl_pointer.enter`.
    serial: u32,
}

/// A button that is down.
#[derive(Debug, Clone, Copy)]
struct Button {
    code: u32,
    /// The client that was told.
    told: Option<u64>,
}

/// The pointer's state.
#[derive(Debug, Default)]
pub(crate) struct Pointer {
    /// Where it is, in surface-local units of the output.
    pub position: (f64, f64),
    /// Whether it is over the output: not before its first motion.
    pub present: bool,
    pub focus: Option<Focus>,
    buttons: Vec<Button>,
    /// Whether the focus stays until all buttons are up.
    grabbed: bool,
    /// The serial of the press that began that.
    grab_serial: u32,
    /// The time of the last event, in microseconds.
    time_us: u64,
    /// The clients that got events since the last frame event.
    unframed: Vec<u64>,
    /// Whether more events of a group are to come.
    mid_group: bool,
    /// What old clients have not been told of the wheel: 120ths of a click, vertical and horizontal.
    clicks: [i32; 2],
}

impl Pointer {
    /// Ends the implicit grab; the buttons stay down.
    pub fn ungrab(&mut self) {
        self.grabbed = false;
    }

    /// Whether `client` has had an implicit grab since `serial` was given.
    pub fn grabbed_since(&self, client: u64, serial: u32) -> bool {
        self.grabbed && self.focus.is_some_and(|f| f.client == client) && not_older(serial, self.grab_serial)
    }

    /// The place where it is as whole units.
    pub fn whole(&self) -> Point {
        // `as` saturates.
        Point::new(self.position.0.floor() as i32, self.position.1.floor() as i32)
    }

    /// The time of the last event, as events carry it.
    pub fn time(&self) -> u32 {
        clock::event_time(self.time_us.saturating_mul(1000))
    }

    fn mark(&mut self, client: u64) {
        if !self.unframed.contains(&client) {
            self.unframed.push(client);
        }
    }
}

impl Server {
    /// Where the pointer is, in surface-local units of the output.
    pub fn seat_pointer_position(&self) -> (f64, f64) {
        self.seat.pointer.position
    }

    /// Finds out anew what is under the pointer, and tells the clients.
    pub fn seat_refresh(&mut self) {
        if self.seat.drag.is_some() {
            self.drag_refresh();
        }
        self.pointer_refresh(false);
        if !self.seat.pointer.mid_group {
            self.pointer_frame();
        }
    }

    /// An event of a group came.
    pub(super) fn pointer_group(&mut self) {
        self.seat.pointer.mid_group = true;
    }

    pub(super) fn pointer_motion(&mut self, (x, y): (f64, f64), time_us: u64) {
        if !x.is_finite() || !y.is_finite() {
            return;
        }
        let scale = f64::from(self.output.scale());
        let pointer = &mut self.seat.pointer;
        pointer.position = (x / scale, y / scale);
        pointer.time_us = time_us;
        pointer.present = true;
        if self.seat.drag.is_some() {
            self.drag_motion(self.seat.pointer.time());
        } else if self.shell_grab_active() {
            if self.seat.pointer.buttons.is_empty() {
                // The button came up before the client asked to be moved.
                self.shell_grab_end();
            } else {
                self.shell_grab_motion(self.seat.pointer.position);
            }
        }
        self.pointer_refresh(true);
        if self.seat.follows_pointer() {
            self.schedule_frame();
        }
    }

    pub(super) fn pointer_left(&mut self) {
        let pointer = &mut self.seat.pointer;
        pointer.present = false;
        pointer.grabbed = false;
        pointer.buttons.clear();
        if self.seat.drag.is_some() {
            self.drag_cancel();
        }
        if self.shell_grab_active() {
            self.shell_grab_end();
        }
        self.pointer_refresh(false);
        self.pointer_frame();
        self.schedule_frame();
    }

    pub(super) fn pointer_pressed(&mut self, code: u32, time_us: u64) {
        self.seat.pointer.time_us = time_us;
        if self.seat.pointer.buttons.iter().any(|b| b.code == code) {
            return;
        }
        self.seat.pointer.buttons.push(Button { code, told: None });
        if self.seat.drag.is_some() || self.shell_grab_active() {
            return;
        }
        let first = self.seat.pointer.buttons.len() == 1;
        let target = self.pointer_target().map(|(surface, _)| surface);
        let under = self.surface_under(self.seat.pointer.position);
        let outside_popups = self.seat.popup.is_some() && target.is_none();
        self.shell_button_pressed_on(under.map(|(surface, _)| surface));
        if first && let Some((surface, _)) = under {
            if self.seat.keyboard.has_modifier(xkbcommon::xkb::MOD_NAME_ALT) {
                match code {
                    BTN_LEFT => self.shell_user_moves(surface),
                    BTN_RIGHT => self.shell_user_resizes(surface),
                    _ => {}
                }
                if self.shell_grab_active() {
                    self.pointer_refresh(false);
                    return;
                }
            }
            self.shell_activate(Some(surface));
            if let Some(window) = self.shell.window_of(&self.surfaces, surface) {
                self.seat_focus(Some(window));
            }
        }
        if first && outside_popups {
            // The click that closes a menu does nothing else.
            self.seat.pointer.grabbed = true;
            return;
        }
        self.pointer_refresh(false);
        self.seat.pointer.grabbed |= first;
        let Some(focus) = self.seat.pointer.focus else { return };
        let serial = self.send_button(focus.client, code, true);
        if first {
            self.seat.pointer.grab_serial = serial;
        }
        if let Some(button) = self.seat.pointer.buttons.last_mut() {
            button.told = Some(focus.client);
        }
    }

    pub(super) fn pointer_released(&mut self, code: u32, time_us: u64) {
        let pointer = &mut self.seat.pointer;
        pointer.time_us = time_us;
        let Some(at) = pointer.buttons.iter().position(|b| b.code == code) else { return };
        let button = pointer.buttons.remove(at);
        // Who did not see it go down, or has lost the pointer since, need not see it come up.
        let focus = pointer.focus.filter(|f| button.told == Some(f.client));
        let all_up = pointer.buttons.is_empty();
        if self.seat.drag.is_some() {
            if all_up {
                self.drag_drop();
            }
        } else if self.shell_grab_active() {
            if all_up {
                self.shell_grab_end();
            }
        } else if let Some(focus) = focus {
            self.send_button(focus.client, code, false);
        }
        if all_up {
            self.seat.pointer.grabbed = false;
            self.pointer_refresh(false);
        }
    }

    pub(super) fn pointer_axis(&mut self, source: Option<AxisSource>, axes: [Axis; 2], time_us: u64) {
        let pointer = &mut self.seat.pointer;
        pointer.time_us = time_us;
        let Some(focus) = pointer.focus else { return };
        let mut clicks = [0; 2];
        for ((axis, rest), clicks) in axes.iter().zip(&mut pointer.clicks).zip(&mut clicks) {
            *rest = rest.saturating_add(axis.value120);
            *clicks = *rest / 120;
            *rest %= 120;
        }
        let time = pointer.time();
        pointer.mark(focus.client);
        for resource in self.seat.pointers(focus.client) {
            send_axes(resource, source, &axes, clicks, time);
        }
    }

    /// Ends a group of events.
    pub(super) fn pointer_frame(&mut self) {
        self.seat.pointer.mid_group = false;
        let mut unframed = std::mem::take(&mut self.seat.pointer.unframed);
        for client in unframed.drain(..) {
            for pointer in self.seat.pointers(client).iter().filter(|p| p.version() >= 5) {
                pointer.frame();
            }
        }
        self.seat.pointer.unframed = unframed;
    }

    /// Gives the pointer to whom it points at. `moved`: because it moved, and not something under it.
    pub(super) fn pointer_refresh(&mut self, moved: bool) {
        if self.shell_grab_active() {
            self.seat.pointer.grabbed = false;
        }
        let target = self.pointer_target();
        let time = self.seat.pointer.time();
        if let (Some(focus), Some((surface, local))) = (&mut self.seat.pointer.focus, target)
            && focus.surface == surface
        {
            if focus.local != local {
                focus.local = local;
                let client = focus.client;
                self.seat.pointer.mark(client);
                for pointer in self.seat.pointers(client) {
                    if moved || pointer.version() < 11 {
                        pointer.motion(time, local.0, local.1);
                    } else {
                        pointer.warp(local.0, local.1);
                    }
                }
            }
            return;
        }
        self.pointer_leave();
        let Some((id, local)) = target else { return };
        let Some(surface) = self.surfaces.get(id) else { return };
        let client = surface.client.key;
        let seat = &mut self.seat;
        let serial = seat.serials.issue(client, Event::Other);
        for pointer in seat.pointers(client) {
            pointer.enter(serial, &surface.resource, local.0, local.1);
        }
        if let Some(seat_client) = seat.clients.get_mut(&client) {
            seat_client.enter_serial = Some(serial);
        }
        seat.pointer.mark(client);
        seat.pointer.focus = Some(Focus { surface: id, client, local, serial });
        if seat.cursor.entered(client) {
            self.schedule_frame();
        }
    }

    /// Takes the pointer from whoever has it.
    pub(super) fn pointer_leave(&mut self) {
        let Some(focus) = self.seat.pointer.focus.take() else { return };
        self.seat.pointer.clicks = [0; 2];
        let Some(surface) = self.surfaces.get(focus.surface) else { return };
        let serial = self.seat.serials.next();
        for pointer in self.seat.pointers(focus.client) {
            pointer.leave(serial, &surface.resource);
        }
        self.seat.pointer.mark(focus.client);
    }

    /// A client has made itself another `wl_pointer`: tells it what the others know.
    pub fn pointer_made(&mut self, client: u64, pointer: &WlPointer) {
        if let Some(focus) = self.seat.pointer.focus.filter(|f| f.client == client)
            && let Some(surface) = self.surfaces.get(focus.surface)
        {
            // A client whose first pointer this is has not been told the serial yet.
            if let Some(seat_client) = self.seat.clients.get_mut(&client) {
                seat_client.enter_serial = Some(focus.serial);
            }
            pointer.enter(focus.serial, &surface.resource, focus.local.0, focus.local.1);
            if pointer.version() >= 5 {
                pointer.frame();
            }
        }
    }

    /// The surface that pointer events are for, and where in it the pointer is.
    fn pointer_target(&self) -> Option<(SurfaceId, (f64, f64))> {
        let pointer = &self.seat.pointer;
        if !pointer.present || self.seat.drag.is_some() || self.shell_grab_active() {
            return None;
        }
        if pointer.grabbed {
            let focus = pointer.focus?;
            let local = match self.surface_origin(focus.surface) {
                Some(origin) => {
                    (pointer.position.0 - f64::from(origin.x), pointer.position.1 - f64::from(origin.y))
                }
                None => focus.local,
            };
            return Some((focus.surface, local));
        }
        let hit = self.surface_under(pointer.position)?;
        let may = match self.seat.popup {
            Some(popup) => self.client_of(popup) == self.client_of(hit.0),
            None => true,
        };
        may.then_some(hit)
    }

    /// Where the surface's top left corner is on the output, if it shows.
    fn surface_origin(&self, id: SurfaceId) -> Option<Point> {
        let root = self.surfaces.root(id);
        let root = self.shell.roots(&self.surfaces, &self.output).find(|r| r.surface == root)?;
        let tree = std::iter::once(id).chain(self.surfaces.ancestors(id));
        let places = tree.filter_map(|s| self.surfaces.get(s)?.child).map(|c| c.position);
        Some(places.fold(root.origin, Point::offset))
    }

    fn send_button(&mut self, client: u64, code: u32, down: bool) -> u32 {
        let event = if down { Event::ButtonDown } else { Event::Input };
        let serial = self.seat.serials.issue(client, event);
        let time = self.seat.pointer.time();
        let state = match down {
            true => wl_pointer::ButtonState::Pressed,
            false => wl_pointer::ButtonState::Released,
        };
        self.seat.pointer.mark(client);
        for pointer in self.seat.pointers(client) {
            pointer.button(serial, time, code, state);
        }
        serial
    }
}

/// Tells `pointer` of one group of axis events, vertical first; `clicks` are whole ones, for old clients.
fn send_axes(pointer: &WlPointer, source: Option<AxisSource>, axes: &[Axis; 2], clicks: [i32; 2], time: u32) {
    use wl_pointer::{AxisRelativeDirection, AxisSource as Wire};
    let version = pointer.version();
    if version >= 5
        && let Some(source) = source
    {
        pointer.axis_source(match source {
            AxisSource::Wheel => Wire::Wheel,
            AxisSource::Finger => Wire::Finger,
            AxisSource::Continuous => Wire::Continuous,
            AxisSource::WheelTilt if version >= 6 => Wire::WheelTilt,
            AxisSource::WheelTilt => Wire::Wheel,
        });
    }
    let names = [wl_pointer::Axis::VerticalScroll, wl_pointer::Axis::HorizontalScroll];
    for ((axis, clicks), name) in axes.iter().zip(clicks).zip(names) {
        if axis.value != 0.0 {
            if version >= 9 {
                pointer.axis_relative_direction(
                    name,
                    match axis.inverted {
                        true => AxisRelativeDirection::Inverted,
                        false => AxisRelativeDirection::Identical,
                    },
                );
            }
            if version >= 8 && axis.value120 != 0 {
                pointer.axis_value120(name, axis.value120);
            } else if (5..8).contains(&version) && clicks != 0 {
                pointer.axis_discrete(name, clicks);
            }
            pointer.axis(time, name, axis.value);
        }
        if axis.stop && version >= 5 {
            pointer.axis_stop(time, name);
        }
    }
}
