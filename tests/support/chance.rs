//! Numbers that look like chance, and are the same each time: for what is to happen at any moment.

use std::time::Duration;

use selkie_check::attack::Numbers;

/// Where they come from.
pub struct Chance(Numbers);

impl Chance {
    /// Other seeds, other numbers; not 0.
    pub fn new(seed: u64) -> Chance {
        assert_ne!(seed, 0);
        Chance(Numbers(seed))
    }

    /// One of the numbers below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.below(usize::try_from(end).unwrap()) as u64
    }

    /// Lets some time pass: where it ends is what is tried here, not something that is waited for.
    pub fn pass(&mut self, end: Duration) {
        let end = u64::try_from(end.as_micros()).unwrap();
        std::thread::sleep(Duration::from_micros(self.below(end)));
    }
}
