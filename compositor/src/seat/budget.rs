//! What a client may do to another through the compositor, by time.
//!
//! Requests on an offer become events for the client that it came from. What that one does not read in time ends
//! it, so nobody may send it more than anybody could want.

/// How many events a client may cause to be sent to another: what is not read in time ends the
/// reader, and every fd on its way is one of ours.
pub(super) struct Budget {
    left: u64,
    refilled_ns: u64,
}

impl Budget {
    /// The events that can be saved up.
    const MOST: u64 = 1024;
    /// The events that are added in a second.
    pub const PER_SECOND: u64 = 256;

    fn refill(&mut self, now_ns: u64) {
        let due = now_ns.saturating_sub(self.refilled_ns) / (1_000_000_000 / Self::PER_SECOND);
        if due > 0 {
            self.left = self.left.saturating_add(due).min(Self::MOST);
            self.refilled_ns = now_ns;
        }
    }

    /// Takes one event out, if there is one left.
    pub fn take(&mut self, now_ns: u64) -> bool {
        self.refill(now_ns);
        self.left.checked_sub(1).map(|left| self.left = left).is_some()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: Self::MOST, refilled_ns: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_runs_out_and_refills() {
        let mut budget = Budget::default();
        let now = 1_000_000_000;
        budget.refill(now);
        assert!((0..Budget::MOST).all(|_| budget.take(now)));
        assert!(!budget.take(now));
        let later = now + 1_000_000_000;
        assert!((0..Budget::PER_SECOND).all(|_| budget.take(later)));
        assert!(!budget.take(later));
    }
}
