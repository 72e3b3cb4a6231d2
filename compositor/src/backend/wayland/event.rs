//! What a host tells us, in the order in which it came.

use std::os::fd::OwnedFd;

use wayland_client::protocol::{wl_keyboard, wl_pointer};

use super::HostError;
use crate::geometry::Size;
use crate::protocol::dmabuf_feedback::DmabufOffer;
use crate::scene::ElementId;

/// Something that happened on the host's side.
#[derive(Debug)]
pub(crate) enum HostEvent {
    /// The window is of another size, or on a screen of another scale or rate.
    Configured(Screen),
    /// It is time for the next frame.
    FrameDone,
    /// It is time for the next frame of an element whose client's memory shows.
    ElementDone {
        /// The element.
        id: ElementId,
        /// How many of the frame callbacks that wait there are due, the oldest ones.
        callbacks: usize,
    },
    /// The host would like dma-bufs to be like that: everybody's, or those of one element.
    DmabufOffer {
        /// The element, which has a layer.
        element: Option<ElementId>,
        /// What it would like.
        offer: DmabufOffer,
    },
    /// The host has tried a client's dma-buf.
    DmabufAnswer {
        /// The buffer's number.
        buffer: u64,
        /// Whether it takes it.
        taken: bool,
    },
    /// A frame turned to light.
    Presented(PresentedAt),
    /// A frame will never turn to light.
    Discarded {
        /// Its number.
        frame: u64,
    },
    /// The user closed the window.
    Closed,
    /// The host is gone, or would not have us any more. Nothing follows.
    Lost(HostError),
    /// The host's pointer.
    Pointer(Pointer),
    /// The host's keyboard.
    Keyboard(Keyboard),
}

/// What we show on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Screen {
    /// The window's size in pixels: its size as the host counts, times the scale.
    pub size: Size,
    /// Pixels per unit of the host.
    pub scale: i32,
    /// Frames per 1000 seconds; 0 where the host does not say.
    pub refresh_mhz: i32,
}

/// When, and how, a frame turned to light (`wp_presentation_feedback.presented`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PresentedAt {
    /// Its number.
    pub frame: u64,
    /// Nanoseconds of the clock [`super::Host::clock_id`].
    pub ns: u64,
    /// Nanoseconds to the next frame; 0 where there is no rhythm.
    pub refresh_ns: u32,
    /// The host's frame counter.
    pub sequence: u64,
    /// `wp_presentation_feedback.kind`, as a bit set.
    pub flags: u32,
}

/// `wl_pointer`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pointer {
    /// It came in, at that place in pixels of the output.
    Enter {
        /// Pixels from the left edge.
        x: f64,
        /// Pixels from the top edge.
        y: f64,
    },
    /// It left.
    Leave,
    /// It moved to that place in pixels of the output.
    Motion {
        /// Milliseconds of some clock.
        time: u32,
        /// Pixels from the left edge.
        x: f64,
        /// Pixels from the top edge.
        y: f64,
    },
    /// A button went down or up.
    Button {
        /// Milliseconds of some clock.
        time: u32,
        /// A code of linux/input-event-codes.h.
        button: u32,
        /// Whether it is down.
        pressed: bool,
    },
    /// Scrolled, in units of a surface (not multiplied by the scale).
    Axis {
        /// Milliseconds of some clock.
        time: u32,
        /// Which way.
        axis: wl_pointer::Axis,
        /// How far.
        value: f64,
    },
    /// What scrolled (version 5).
    AxisSource(wl_pointer::AxisSource),
    /// The finger was lifted (version 5).
    AxisStop {
        /// Milliseconds of some clock.
        time: u32,
        /// Which way.
        axis: wl_pointer::Axis,
    },
    /// Steps of a wheel in 1/120 (version 8); older hosts' whole steps are multiplied.
    AxisValue120 {
        /// Which way.
        axis: wl_pointer::Axis,
        /// How far.
        value120: i32,
    },
    /// How the wheel turned, as against what scrolled (version 9).
    AxisRelativeDirection {
        /// Which way.
        axis: wl_pointer::Axis,
        /// The same or the other way round.
        direction: wl_pointer::AxisRelativeDirection,
    },
    /// What came since the last of these belongs together. Comes after every event from hosts that
    /// have none of their own.
    Frame,
}

/// `wl_keyboard`.
#[derive(Debug)]
pub(crate) enum Keyboard {
    /// The meaning of the keys, to be passed on as it is.
    Keymap {
        /// Usually an xkb keymap.
        format: wl_keyboard::KeymapFormat,
        /// A file to map (privately, from version 7).
        fd: OwnedFd,
        /// Its length in bytes.
        size: u32,
    },
    /// Keys go to our window now.
    Enter {
        /// Codes of the keys that are down.
        keys: Vec<u32>,
    },
    /// Keys go elsewhere now.
    Leave,
    /// A key went down or up.
    Key {
        /// Milliseconds of some clock.
        time: u32,
        /// A code of linux/input-event-codes.h.
        key: u32,
        /// Whether it is down.
        pressed: bool,
    },
    /// Modifiers changed.
    Modifiers {
        /// Held down.
        depressed: u32,
        /// Until the next key.
        latched: u32,
        /// Until pressed again.
        locked: u32,
        /// The layout.
        group: u32,
    },
    /// How keys that are held down repeat (version 4).
    RepeatInfo {
        /// Keys per second; 0: they do not.
        rate: i32,
        /// Milliseconds before the first.
        delay: i32,
    },
    /// The keyboard was unplugged.
    Gone,
}
