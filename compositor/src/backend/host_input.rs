//! The host's pointer and keyboard become ours.

use wayland_client::protocol::{wl_keyboard, wl_pointer};

use super::wayland::{Keyboard, Pointer};
use crate::seat::{Axis, AxisSource, InputEvent};
use crate::server::Server;

/// Scrolling that the host has told in parts, until its frame ends.
#[derive(Debug, Default)]
pub(crate) struct Scroll {
    source: Option<AxisSource>,
    horizontal: Axis,
    vertical: Axis,
    time_us: u64,
    any: bool,
}

impl Scroll {
    /// Takes one part in.
    fn part(&mut self, axis: wl_pointer::Axis, time_ms: Option<u32>, change: impl FnOnce(&mut Axis)) {
        self.any = true;
        if let Some(time) = time_ms {
            self.time_us = micros(time);
        }
        match axis {
            wl_pointer::Axis::HorizontalScroll => change(&mut self.horizontal),
            _ => change(&mut self.vertical),
        }
    }

    /// What came together, if anything did.
    fn take(&mut self) -> Option<InputEvent> {
        let Scroll { source, horizontal, vertical, time_us, any } = std::mem::take(self);
        any.then_some(InputEvent::PointerAxis { source, horizontal, vertical, time_us })
    }
}

fn micros(ms: u32) -> u64 {
    u64::from(ms) * 1000
}

fn source(source: wl_pointer::AxisSource) -> Option<AxisSource> {
    match source {
        wl_pointer::AxisSource::Wheel => Some(AxisSource::Wheel),
        wl_pointer::AxisSource::Finger => Some(AxisSource::Finger),
        wl_pointer::AxisSource::Continuous => Some(AxisSource::Continuous),
        wl_pointer::AxisSource::WheelTilt => Some(AxisSource::WheelTilt),
        _ => None,
    }
}

impl Server {
    /// Deals with the host's pointer.
    pub(super) fn host_pointer(&mut self, event: Pointer) {
        let now = || crate::clock::now_us();
        match event {
            Pointer::Enter { x, y } => self.input(InputEvent::PointerMotion { x, y, time_us: now() }),
            Pointer::Leave => self.input(InputEvent::PointerLeave),
            Pointer::Motion { time, x, y } => {
                self.input(InputEvent::PointerMotion { x, y, time_us: micros(time) });
            }
            Pointer::Button { time, button, pressed } => {
                self.input(InputEvent::PointerButton { button, pressed, time_us: micros(time) });
            }
            Pointer::Frame => {
                if let Some(scrolled) = self.backend.scroll().and_then(Scroll::take) {
                    self.input(scrolled);
                }
                self.input(InputEvent::PointerFrame);
            }
            part => {
                if let Some(scroll) = self.backend.scroll() {
                    scrolled(scroll, part);
                }
            }
        }
    }

    /// Deals with the host's keyboard.
    pub(super) fn host_keyboard(&mut self, event: Keyboard) {
        match event {
            Keyboard::Keymap { format: wl_keyboard::KeymapFormat::XkbV1, fd, size } => {
                self.input_keymap(fd, size);
            }
            // Without a keymap of the host's, ours stays.
            Keyboard::Keymap { .. } => {}
            Keyboard::Enter { keys } => self.input(InputEvent::KeyboardEnter(keys)),
            Keyboard::Leave | Keyboard::Gone => self.input(InputEvent::KeyboardLeave),
            Keyboard::Key { time, key, pressed } => {
                self.input(InputEvent::Key { key, pressed, time_us: micros(time) });
            }
            Keyboard::Modifiers { depressed, latched, locked, group } => {
                self.input(InputEvent::Modifiers { depressed, latched, locked, group });
            }
            Keyboard::RepeatInfo { rate, delay } => self.input_repeat(rate, delay),
        }
    }
}

fn scrolled(scroll: &mut Scroll, part: Pointer) {
    match part {
        Pointer::Axis { time, axis, value } => scroll.part(axis, Some(time), |a| a.value += value),
        Pointer::AxisSource(s) => scroll.source = source(s),
        Pointer::AxisStop { time, axis } => scroll.part(axis, Some(time), |a| a.stop = true),
        Pointer::AxisValue120 { axis, value120 } => scroll.part(axis, None, |a| a.value120 += value120),
        Pointer::AxisRelativeDirection { axis, direction } => {
            let inverted = direction == wl_pointer::AxisRelativeDirection::Inverted;
            scroll.part(axis, None, |a| a.inverted = inverted);
        }
        Pointer::Enter { .. }
        | Pointer::Leave
        | Pointer::Motion { .. }
        | Pointer::Button { .. }
        | Pointer::Frame => {}
    }
}
