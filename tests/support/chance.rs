//! Numbers that look like chance, and are the same each time: for what is to happen at any moment.

use std::time::Duration;

/// Where they come from (xorshift64).
pub struct Chance(u64);

impl Chance {
    /// Other seeds, other numbers; not 0.
    pub fn new(seed: u64) -> Chance {
        assert_ne!(seed, 0);
        Chance(seed)
    }

    /// One of the numbers below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// Lets some time pass: where it ends is what is tried here, not something that is waited for.
    pub fn pass(&mut self, end: Duration) {
        let end = u64::try_from(end.as_micros()).unwrap();
        std::thread::sleep(Duration::from_micros(self.below(end)));
    }
}
