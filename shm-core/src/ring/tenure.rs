//! Who holds a role, in one word, so that it can be claimed by one compare-exchange.
//!
//! The pid, a number that every claim raises (so that two holders with the same pid differ), and the state.

/// What has become of one side of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has been there yet.
    Absent,
    /// Somebody is about to attach.
    Claiming,
    /// Somebody uses the ring.
    Attached,
    /// Somebody used the ring, and has closed it.
    Closed,
    /// Somebody used the ring, and has died.
    Dead,
}

/// How a role is held. Any number is one: what another process writes has to be reckoned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tenure(u64);

const STATE_BITS: u32 = 8;
const COUNT_BITS: u32 = 24;

impl Tenure {
    pub(crate) fn from_bits(bits: u64) -> Tenure {
        Tenure(bits)
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    pub(crate) fn pid(self) -> u32 {
        // What is left fits.
        u32::try_from(self.0 >> (STATE_BITS + COUNT_BITS)).unwrap_or(u32::MAX)
    }

    /// Who writes any other number has not attached.
    pub(crate) fn state(self) -> State {
        match self.0 & ((1 << STATE_BITS) - 1) {
            1 => State::Claiming,
            2 => State::Attached,
            3 => State::Closed,
            4 => State::Dead,
            _ => State::Absent,
        }
    }

    pub(crate) fn with(self, state: State) -> Tenure {
        let state = match state {
            State::Absent => 0,
            State::Claiming => 1,
            State::Attached => 2,
            State::Closed => 3,
            State::Dead => 4,
        };
        Tenure(self.0 & !((1 << STATE_BITS) - 1) | state)
    }

    /// That of the process `pid` that takes the role now.
    pub(crate) fn next(self, pid: u32) -> Tenure {
        let count = (self.0 >> STATE_BITS).wrapping_add(1) & ((1 << COUNT_BITS) - 1);
        Tenure(u64::from(pid) << (STATE_BITS + COUNT_BITS) | count << STATE_BITS).with(State::Claiming)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tenures_are_the_same() {
        let first = Tenure::from_bits(0).next(u32::MAX);
        assert_eq!((first.pid(), first.state()), (u32::MAX, State::Claiming));
        let second = first.with(State::Dead).next(u32::MAX);
        assert_ne!(first, second);
        assert_eq!(second.with(State::Attached).state(), State::Attached);
        let last = Tenure::from_bits(u64::MAX).next(1);
        assert_eq!((last.pid(), last.state()), (1, State::Claiming));
        assert_eq!(Tenure::from_bits(0x99).state(), State::Absent);
    }
}
