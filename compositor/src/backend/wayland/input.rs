//! The host's seat: its pointer and keyboard, passed on as they are.
//!
//! This speaks wl_seat itself, and not through client-toolkit: our clients get the host's keymap as the file that it is, and every event
//! of the pointer, which client-toolkit would interpret.

use smithay_client_toolkit::dispatch2::Dispatch2;
use smithay_client_toolkit::registry::RegistryHandler;
use wayland_client::protocol::{wl_keyboard, wl_pointer, wl_seat};
use wayland_client::{Connection, Proxy, QueueHandle, WEnum};

use super::Host;
use super::event::{HostEvent, Keyboard, Pointer};

/// The newest wl_seat that this understands.
pub(super) const SEAT_VERSION: u32 = 9;

/// The host's seat, or none.
#[derive(Default)]
pub(super) struct Input {
    /// The first seat; hosts with several have one that matters.
    seat: Option<(u32, wl_seat::WlSeat)>,
    pointer: Option<wl_pointer::WlPointer>,
    keyboard: Option<wl_keyboard::WlKeyboard>,
    /// The serial of the pointer's entering, while it is in our window.
    entered: Option<u32>,
}

impl Input {
    /// Hides the host's pointer: the picture has a cursor of its own.
    fn hide_cursor(&self) {
        if let (Some(pointer), Some(serial)) = (&self.pointer, self.entered) {
            pointer.set_cursor(serial, None, 0, 0);
        }
    }

    fn drop_pointer(&mut self) {
        self.entered = None;
        if let Some(pointer) = self.pointer.take()
            && pointer.version() >= 3
        {
            pointer.release();
        }
    }

    fn drop_keyboard(&mut self) -> bool {
        let Some(keyboard) = self.keyboard.take() else { return false };
        if keyboard.version() >= 3 {
            keyboard.release();
        }
        true
    }
}

/// Finds seats among the globals. Also the data of wl_seat, wl_pointer and wl_keyboard.
pub(super) struct Seats;

impl Seats {
    /// Takes a seat in if it is the first.
    pub fn found(host: &mut Host, queue: &QueueHandle<Host>, name: u32, version: u32) {
        if host.input.seat.is_none() {
            let registry = host.registry.registry();
            let seat = registry.bind(name, version.min(SEAT_VERSION), queue, Seats);
            host.input.seat = Some((name, seat));
        }
    }
}

impl RegistryHandler<Host> for Seats {
    fn new_global(
        host: &mut Host,
        _: &Connection,
        queue: &QueueHandle<Host>,
        name: u32,
        interface: &str,
        version: u32,
    ) {
        if interface == wl_seat::WlSeat::interface().name {
            Self::found(host, queue, name, version);
        }
    }

    fn remove_global(host: &mut Host, _: &Connection, queue: &QueueHandle<Host>, name: u32, _: &str) {
        let Some((_, seat)) = host.input.seat.take_if(|(n, _)| *n == name) else { return };
        host.lose_pointer();
        host.lose_keyboard();
        if seat.version() >= 5 {
            seat.release();
        }
        let other = host.registry.globals_by_interface(wl_seat::WlSeat::interface().name);
        let other = other.map(|g| (g.name, g.version)).find(|g| g.0 != name);
        if let Some((name, version)) = other {
            Self::found(host, queue, name, version);
        }
    }
}

impl Host {
    fn lose_pointer(&mut self) {
        if self.input.entered.take().is_some() {
            self.tell_pointer(Pointer::Leave);
            self.tell_pointer(Pointer::Frame);
        }
        self.input.drop_pointer();
    }

    fn lose_keyboard(&mut self) {
        if self.input.drop_keyboard() {
            self.events.push_back(HostEvent::Keyboard(Keyboard::Gone));
        }
    }

    fn tell_pointer(&mut self, event: Pointer) {
        self.events.push_back(HostEvent::Pointer(event));
    }

    /// A place in the window, in pixels of the output.
    fn in_pixels(&self, x: f64, y: f64) -> (f64, f64) {
        let scale = f64::from(self.screen.scale);
        (x * scale, y * scale)
    }
}

impl Dispatch2<wl_seat::WlSeat, Host> for Seats {
    fn event(
        &self,
        host: &mut Host,
        seat: &wl_seat::WlSeat,
        event: wl_seat::Event,
        _: &Connection,
        queue: &QueueHandle<Host>,
    ) {
        let wl_seat::Event::Capabilities { capabilities: WEnum::Value(has) } = event else { return };
        match (has.contains(wl_seat::Capability::Pointer), host.input.pointer.is_some()) {
            (true, false) => {
                host.input.pointer = Some(seat.get_pointer(queue, Seats));
            }
            (false, true) => host.lose_pointer(),
            _ => {}
        }
        match (has.contains(wl_seat::Capability::Keyboard), host.input.keyboard.is_some()) {
            (true, false) => host.input.keyboard = Some(seat.get_keyboard(queue, Seats)),
            (false, true) => host.lose_keyboard(),
            _ => {}
        }
    }
}

impl Dispatch2<wl_pointer::WlPointer, Host> for Seats {
    fn event(
        &self,
        host: &mut Host,
        pointer: &wl_pointer::WlPointer,
        event: wl_pointer::Event,
        _: &Connection,
        _: &QueueHandle<Host>,
    ) {
        use wl_pointer::Event;
        let event = match event {
            Event::Enter { serial, surface_x, surface_y, .. } => {
                host.input.entered = Some(serial);
                // Until it is told, what the pointer looks like is undefined.
                host.input.hide_cursor();
                let (x, y) = host.in_pixels(surface_x, surface_y);
                Pointer::Enter { x, y }
            }
            Event::Leave { .. } => {
                host.input.entered = None;
                Pointer::Leave
            }
            Event::Motion { time, surface_x, surface_y } => {
                let (x, y) = host.in_pixels(surface_x, surface_y);
                Pointer::Motion { time, x, y }
            }
            Event::Button { time, button, state: WEnum::Value(state), .. } => {
                let pressed = state == wl_pointer::ButtonState::Pressed;
                Pointer::Button { time, button, pressed }
            }
            Event::Axis { time, axis: WEnum::Value(axis), value } => Pointer::Axis { time, axis, value },
            Event::AxisSource { axis_source: WEnum::Value(source) } => Pointer::AxisSource(source),
            Event::AxisStop { time, axis: WEnum::Value(axis) } => Pointer::AxisStop { time, axis },
            Event::AxisDiscrete { axis: WEnum::Value(axis), discrete } => {
                Pointer::AxisValue120 { axis, value120: discrete.saturating_mul(120) }
            }
            Event::AxisValue120 { axis: WEnum::Value(axis), value120 } => {
                Pointer::AxisValue120 { axis, value120 }
            }
            Event::AxisRelativeDirection { axis: WEnum::Value(axis), direction: WEnum::Value(direction) } => {
                Pointer::AxisRelativeDirection { axis, direction }
            }
            Event::Frame => Pointer::Frame,
            // Numbers from the future.
            _ => return,
        };
        host.tell_pointer(event);
        if pointer.version() < wl_pointer::EVT_FRAME_SINCE {
            host.tell_pointer(Pointer::Frame);
        }
    }
}

impl Dispatch2<wl_keyboard::WlKeyboard, Host> for Seats {
    fn event(
        &self,
        host: &mut Host,
        _: &wl_keyboard::WlKeyboard,
        event: wl_keyboard::Event,
        _: &Connection,
        _: &QueueHandle<Host>,
    ) {
        use wl_keyboard::Event;
        let event = match event {
            Event::Keymap { format: WEnum::Value(format), fd, size } => Keyboard::Keymap { format, fd, size },
            Event::Enter { keys, .. } => {
                let keys = keys.chunks_exact(4).map(|k| u32::from_ne_bytes([k[0], k[1], k[2], k[3]]));
                Keyboard::Enter { keys: keys.collect() }
            }
            Event::Leave { .. } => Keyboard::Leave,
            Event::Key { time, key, state: WEnum::Value(state), .. } => {
                Keyboard::Key { time, key, pressed: state == wl_keyboard::KeyState::Pressed }
            }
            Event::Modifiers { mods_depressed, mods_latched, mods_locked, group, .. } => {
                Keyboard::Modifiers {
                    depressed: mods_depressed,
                    latched: mods_latched,
                    locked: mods_locked,
                    group,
                }
            }
            Event::RepeatInfo { rate, delay } => Keyboard::RepeatInfo { rate, delay },
            _ => return,
        };
        host.events.push_back(HostEvent::Keyboard(event));
    }
}
