//! What a person did, as a backend or a test reports it.

use super::drag;
use crate::server::Server;

/// Something a person did with pointer or keyboard.
///
/// Times are microseconds of any clock, as long as all events are timed by the same one. Pointer
/// events that happened together are followed by one [`InputEvent::PointerFrame`].
#[derive(Debug, Clone, PartialEq)]
pub enum InputEvent {
    /// The pointer is at that place of the output, in pixels.
    PointerMotion {
        /// Distance from the left edge.
        x: f64,
        /// Distance from the top edge.
        y: f64,
        /// When.
        time_us: u64,
    },
    /// The pointer is not over the output any more.
    PointerLeave,
    /// A button went down or up.
    PointerButton {
        /// The button, a `BTN_` code of linux/input-event-codes.h.
        button: u32,
        /// Whether it is down now.
        pressed: bool,
        /// When.
        time_us: u64,
    },
    /// A wheel turned, or fingers moved on a touchpad.
    PointerAxis {
        /// With what, if that is known.
        source: Option<AxisSource>,
        /// To the right.
        horizontal: Axis,
        /// Downwards.
        vertical: Axis,
        /// When.
        time_us: u64,
    },
    /// The pointer events so far belong together.
    PointerFrame,
    /// A key went down or up.
    Key {
        /// The key, a `KEY_` code of linux/input-event-codes.h.
        key: u32,
        /// Whether it is down now.
        pressed: bool,
        /// When.
        time_us: u64,
    },
    /// The modifiers, as a host knows them. From then on they are not worked out from the keys.
    Modifiers {
        /// Modifiers whose keys are down.
        depressed: u32,
        /// Modifiers for the next key.
        latched: u32,
        /// Modifiers that stay.
        locked: u32,
        /// The layout.
        group: u32,
    },
    /// The keyboard is ours, with these keys down.
    KeyboardEnter(Vec<u32>),
    /// The keyboard is somebody else's.
    KeyboardLeave,
}

/// What was used to scroll (`wl_pointer.axis_source`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisSource {
    /// A wheel.
    Wheel,
    /// Fingers on a touchpad.
    Finger,
    /// Something else without steps.
    Continuous,
    /// A wheel, pushed sideways.
    WheelTilt,
}

/// Scrolling in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Axis {
    /// How far, in the units of surfaces.
    pub value: f64,
    /// How far in 120ths of a wheel's click; 0 if it has none.
    pub value120: i32,
    /// Whether it came to its end (fingers lifted).
    pub stop: bool,
    /// Whether the fingers moved against the scrolling ("natural scrolling").
    pub inverted: bool,
}

impl Server {
    /// Deals with something a person did.
    pub fn input(&mut self, event: InputEvent) {
        if matches!(
            event,
            InputEvent::PointerMotion { .. }
                | InputEvent::PointerButton { .. }
                | InputEvent::PointerAxis { .. }
        ) {
            self.pointer_group();
        }
        match event {
            InputEvent::PointerMotion { x, y, time_us } => self.pointer_motion((x, y), time_us),
            InputEvent::PointerLeave => self.pointer_left(),
            InputEvent::PointerButton { button, pressed: true, time_us } => {
                self.pointer_pressed(button, time_us);
            }
            InputEvent::PointerButton { button, pressed: false, time_us } => {
                self.pointer_released(button, time_us);
            }
            InputEvent::PointerAxis { source, horizontal, vertical, time_us } => {
                self.pointer_axis(source, [vertical, horizontal], time_us);
            }
            InputEvent::PointerFrame => self.pointer_frame(),
            InputEvent::Key { key, pressed, time_us } => self.keyboard_key(key, pressed, time_us),
            InputEvent::Modifiers { depressed, latched, locked, group } => {
                self.keyboard_modifiers([depressed, latched, locked, group]);
            }
            InputEvent::KeyboardEnter(keys) => self.keyboard_entered(keys),
            InputEvent::KeyboardLeave => self.keyboard_left(),
        }
    }
}

/// The action that the modifiers that are down ask of a drag.
pub(super) fn asked_action(server: &Server) -> drag::Action {
    let keyboard = &server.seat.keyboard;
    if keyboard.has_modifier(xkbcommon::xkb::MOD_NAME_SHIFT) {
        drag::Action::Move
    } else if keyboard.has_modifier(xkbcommon::xkb::MOD_NAME_CTRL) {
        drag::Action::Copy
    } else {
        drag::Action::empty()
    }
}
