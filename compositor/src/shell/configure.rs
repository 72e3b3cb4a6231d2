//! The dialogue of configure, ack and commit: what was asked of a client, and what it agreed to.

use std::collections::VecDeque;

use super::window::State;
use crate::geometry::Rect;

/// More configure events than this are not remembered: a client that has left so many without an
/// answer cannot ack the oldest.
const REMEMBERED: usize = 1024;

/// What a configure event asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Of a window.
    Window(State),
    /// Of a popup: its place, relative to its parent's window geometry.
    Popup(Rect),
}

struct Sent {
    serial: u32,
    /// `None` if the surface was unmapped since: then an ack is allowed and means nothing.
    asked: Option<Asked>,
}

/// The configure events of one `xdg_surface`.
#[derive(Default)]
pub(crate) struct Configures {
    sent: VecDeque<Sent>,
    acked: Option<Asked>,
    started: bool,
    configured: bool,
}

impl Configures {
    /// Remembers an event that is being sent.
    pub fn push(&mut self, serial: u32, asked: Asked) {
        if self.sent.len() >= REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent { serial, asked: Some(asked) });
        self.started = true;
    }

    /// Takes an ack; it uses up all events up to that one. Returns whether there was such an event.
    pub fn ack(&mut self, serial: u32) -> bool {
        let Some(i) = self.sent.iter().position(|s| s.serial == serial) else { return false };
        if let Some(Sent { asked: Some(asked), .. }) = self.sent.drain(..=i).next_back() {
            self.acked = Some(asked);
            self.configured = true;
        }
        true
    }

    /// What the last ack before this commit agreed to.
    pub fn take_acked(&mut self) -> Option<Asked> {
        self.acked.take()
    }

    /// Puts another agreement in the place of that of the last ack, which is returned.
    pub fn swap_acked(&mut self, acked: Option<Asked>) -> Option<Asked> {
        std::mem::replace(&mut self.acked, acked)
    }

    /// Whether the first commit since the surface was (un)mapped has been answered.
    pub fn started(&self) -> bool {
        self.started
    }

    /// Whether a buffer may be attached.
    pub fn configured(&self) -> bool {
        self.configured
    }

    /// Whether the client has yet to ack something.
    pub fn outstanding(&self) -> bool {
        self.sent.back().is_some_and(|s| s.asked.is_some())
    }

    /// The surface is unmapped: all begins again, but acks that are on their way are no mistake.
    pub fn restart(&mut self) {
        for sent in &mut self.sent {
            sent.asked = None;
        }
        (self.acked, self.started, self.configured) = (None, false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked = Asked::Popup(Rect::new(1, 2, 3, 4));

    #[test]
    fn an_ack_uses_up_what_came_before() {
        let mut c = Configures::default();
        for serial in [1, 2, 3] {
            c.push(serial, ASKED);
        }
        assert!(!c.ack(4));
        assert!(c.ack(2));
        assert!(c.configured() && c.outstanding());
        assert_eq!(c.take_acked(), Some(ASKED));
        assert!(!c.ack(2));
        assert!(!c.ack(1));
        assert!(c.ack(3));
        assert!(!c.outstanding());
    }

    #[test]
    fn an_ack_that_crossed_an_unmap_is_allowed_and_means_nothing() {
        let mut c = Configures::default();
        c.push(1, ASKED);
        c.restart();
        assert!(!c.started() && !c.outstanding());
        assert!(c.ack(1));
        assert!(!c.configured());
        assert_eq!(c.take_acked(), None);
        assert!(!c.ack(1));
    }

    #[test]
    fn a_client_that_never_acks_does_not_make_it_grow() {
        let mut c = Configures::default();
        for serial in 0..2 * REMEMBERED as u32 {
            c.push(serial, ASKED);
        }
        assert_eq!(c.sent.len(), REMEMBERED);
        assert!(!c.ack(0));
    }
}
