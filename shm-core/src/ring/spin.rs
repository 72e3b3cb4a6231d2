//! How long to watch a word before going to sleep.
//!
//! To sleep and to be woken takes some microseconds and two system calls. Where the other side answers faster than that it is
//! better to wait with open eyes; where it does not, that only takes processor time from others. So the time adapts: it
//! doubles, up to a limit, whenever it was worth it, and is halved, down to a sixteenth of the limit, whenever it was not.

use std::time::{Duration, Instant};

use crate::guard::Fault;

/// Looks between two looks at the clock.
const LOOKS: u32 = 64;

#[derive(Debug, Clone)]
pub(crate) struct Spin {
    limit: Duration,
    now: Duration,
}

impl Spin {
    /// At most `limit` each time; never, if that is 0.
    pub(crate) fn new(limit: Duration) -> Spin {
        Spin { limit, now: limit }
    }

    /// Calls `look`, which looks so many times, until it says that there is something, or the time is up.
    pub(crate) fn run<E: From<Fault>>(
        &mut self,
        look: impl Fn(u32) -> Result<bool, Fault>,
    ) -> Result<bool, E> {
        if self.limit.is_zero() {
            return Ok(false);
        }
        let start = Instant::now();
        loop {
            if look(LOOKS)? {
                self.now = self.limit.min(self.now.saturating_mul(2));
                return Ok(true);
            }
            if start.elapsed() >= self.now {
                self.now = (self.limit / 16).max(self.now / 2);
                return Ok(false);
            }
        }
    }
}
