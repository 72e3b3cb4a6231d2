//! Frames that are under way: committed, but not yet both presented and given back.
//!
//! Times are in the compositor's presentation clock, since that is the one its feedback speaks of, and
//! a difference between two clocks means nothing.

use std::collections::VecDeque;

use rustix::time::{ClockId, clock_gettime};

/// The clock all times of a run are read from.
#[derive(Debug, Clone, Copy)]
pub struct Clock(ClockId);

impl Clock {
    /// The clock until the compositor names another.
    pub const MONOTONIC: Clock = Clock(ClockId::Monotonic);

    /// The clock of `wp_presentation.clock_id`; None for one that cannot be read here.
    pub fn from_id(id: u32) -> Option<Clock> {
        [
            ClockId::Realtime,
            ClockId::Monotonic,
            ClockId::MonotonicRaw,
            ClockId::MonotonicCoarse,
            ClockId::Boottime,
        ]
        .into_iter()
        .find(|clock| *clock as u32 == id)
        .map(Clock)
    }

    /// Its time in nanoseconds.
    pub fn now(self) -> u64 {
        let time = clock_gettime(self.0);
        time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
    }
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is known yet.
    Pending,
    /// It was on the screen.
    Presented(Presented),
    /// Another took its place before it was shown.
    Discarded,
}

/// How a frame was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// When, in nanoseconds of the presentation clock.
    pub at: u64,
    /// The screen's refresh counter; 0 if it has none.
    pub sequence: u64,
    /// Nanoseconds to the next refresh; 0 if unknown.
    pub refresh: u32,
    /// Whether the compositor says that no copy was made.
    pub zero_copy: bool,
}

/// One frame that was committed.
#[derive(Debug, Clone, Copy)]
pub struct Flight {
    /// Its number, from 0.
    pub frame: u64,
    /// The buffer of the main surface.
    pub slot: u64,
    /// When it was committed, in nanoseconds.
    pub committed: u64,
    /// What became of it.
    pub fate: Fate,
    /// When its buffer came back, in nanoseconds.
    pub released: Option<u64>,
}

/// The frames under way, oldest first. No longer than there are buffers, plus what the compositor has
/// not yet reported on.
#[derive(Debug, Default)]
pub struct Flights(VecDeque<Flight>);

impl Flights {
    /// A frame was committed.
    pub fn start(&mut self, frame: u64, slot: u64, committed: u64) {
        self.0.push_back(Flight { frame, slot, committed, fate: Fate::Pending, released: None });
    }

    /// The fate of a frame became known. Returns the flight if it was not known before.
    pub fn resolve(&mut self, frame: u64, fate: Fate) -> Option<&Flight> {
        let flight = self.0.iter_mut().find(|f| f.frame == frame && f.fate == Fate::Pending)?;
        flight.fate = fate;
        Some(flight)
    }

    /// The fates of all frames before this one that are still open: another took their place.
    pub fn discard_before(&mut self, frame: u64) -> u64 {
        let older = self.0.iter_mut().filter(|f| f.frame < frame && f.fate == Fate::Pending);
        older.map(|f| f.fate = Fate::Discarded).count() as u64
    }

    /// A buffer came back: that ends the oldest frame that used it. Returns the time since its commit.
    pub fn release(&mut self, slot: u64, now: u64) -> Option<u64> {
        let flight = self.0.iter_mut().find(|f| f.slot == slot && f.released.is_none())?;
        flight.released = Some(now);
        Some(now.saturating_sub(flight.committed))
    }

    /// Whether any frame's fate is still open.
    pub fn any_pending(&self) -> bool {
        self.0.iter().any(|f| f.fate == Fate::Pending)
    }

    /// Takes out the oldest frame, if nothing more will be heard of it; with `all`, whatever is known.
    pub fn finished(&mut self, all: bool) -> Option<Flight> {
        let done = |f: &Flight| all || (f.fate != Fate::Pending && f.released.is_some());
        if done(self.0.front()?) { self.0.pop_front() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_finish_in_order_and_only_when_all_is_known() {
        let mut flights = Flights::default();
        let presented = Fate::Presented(Presented { at: 30, sequence: 1, refresh: 0, zero_copy: false });
        flights.start(0, 10, 5);
        flights.start(1, 11, 6);
        flights.start(2, 10, 50);
        assert_eq!(flights.release(10, 25), Some(20));
        assert_eq!(flights.release(11, 26), Some(20));
        assert!(flights.finished(false).is_none());
        assert!(flights.resolve(1, presented).is_some());
        assert!(flights.resolve(1, Fate::Discarded).is_none());
        assert_eq!(flights.discard_before(1), 1);
        assert_eq!(flights.finished(false).map(|f| (f.frame, f.fate)), Some((0, Fate::Discarded)));
        assert_eq!(flights.finished(false).map(|f| (f.frame, f.fate)), Some((1, presented)));
        assert!(flights.any_pending());
        assert!(flights.finished(false).is_none());
        assert_eq!(flights.finished(true).map(|f| f.released), Some(None));
        assert_eq!(flights.release(99, 1), None);
    }

    #[test]
    fn the_clocks_of_the_known_compositors_can_be_read() {
        // CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW
        for id in [0, 1, 4] {
            assert!(Clock::from_id(id).unwrap().now() > 0);
        }
        assert!(Clock::from_id(999).is_none());
    }
}
