//! The serials that input events carry, and whom each was sent to.
//!
//! A request that takes something from the user (the clipboard, a grab) names the event that
//! made the client ask for it. That holds up only if the event was sent to that very client, so the last
//! ones are remembered.

use std::collections::VecDeque;

/// So many events back a client may refer.
const REMEMBERED: usize = 1024;

/// What kind of event a serial was sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A pointer button went down.
    ButtonDown,
    /// A key went up or down, or a button up.
    Input,
    /// The pointer, the keyboard focus or a drag came or went, or modifiers changed.
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Issued {
    serial: u32,
    client: u64,
    event: Event,
}

/// The counter, and the last serials it gave.
#[derive(Debug, Default)]
pub(crate) struct Serials {
    last: u32,
    issued: VecDeque<Issued>,
}

impl Serials {
    /// A serial that goes with no input event.
    pub fn next(&mut self) -> u32 {
        // 0 is what programs say that have no serial.
        self.last = self.last.checked_add(1).unwrap_or(1);
        self.last
    }

    /// A serial for an event to `client`.
    pub fn issue(&mut self, client: u64, event: Event) -> u32 {
        let serial = self.next();
        if self.issued.len() == REMEMBERED {
            self.issued.pop_front();
        }
        self.issued.push_back(Issued { serial, client, event });
        serial
    }

    /// What was sent to `client` with `serial`, if anything was.
    pub fn find(&self, client: u64, serial: u32) -> Option<Event> {
        self.issued.iter().rev().find(|i| i.serial == serial && i.client == client).map(|i| i.event)
    }
}

/// Whether serial `a` was given after `b`, or is `b`; they wrap around.
pub(crate) fn not_older(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_good_for_the_client_it_was_sent_to() {
        let mut serials = Serials::default();
        let serial = serials.issue(7, Event::ButtonDown);
        assert_eq!(serials.find(7, serial), Some(Event::ButtonDown));
        assert_eq!(serials.find(8, serial), None);
        assert_eq!(serials.find(7, serial + 1), None);
    }

    #[test]
    fn old_serials_are_forgotten_and_zero_is_never_given() {
        let mut serials = Serials { last: u32::MAX, ..Serials::default() };
        let first = serials.issue(1, Event::Input);
        assert_eq!(first, 1);
        for _ in 0..REMEMBERED {
            serials.issue(1, Event::Input);
        }
        assert_eq!(serials.find(1, first), None);
        assert_eq!(serials.issued.len(), REMEMBERED);
    }

    #[test]
    fn order_survives_the_wrap() {
        assert!(not_older(5, 5));
        assert!(not_older(1, u32::MAX));
        assert!(!not_older(u32::MAX, 1));
    }
}
