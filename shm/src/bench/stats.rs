//! What many measurements come to: percentiles of one round, and what the rounds say together.

use serde::{Deserialize, Serialize};

/// The value below which `percent` in a hundred of the samples are, by the nearest-rank method: always one that was measured.
/// 0 of no samples. The samples get sorted.
pub(super) fn percentile(samples: &mut [u64], percent: u64) -> u64 {
    samples.sort_unstable();
    let rank = (samples.len() as u64).saturating_mul(percent).div_ceil(100).max(1);
    usize::try_from(rank - 1).ok().and_then(|index| samples.get(index)).copied().unwrap_or(0)
}

/// What the rounds measured, one number each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The one in the middle; of an even number of rounds the lower of the two.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of one number per round; all 0 if there is none.
    pub(super) fn of(rounds: impl IntoIterator<Item = f64>) -> Spread {
        let mut rounds: Vec<f64> = rounds.into_iter().collect();
        rounds.sort_by(f64::total_cmp);
        let at = |index: usize| rounds.get(index).copied().unwrap_or(0.0);
        let last = rounds.len().saturating_sub(1);
        Spread { median: at(last / 2), min: at(0), max: at(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut hundred: Vec<u64> = (1..=100).rev().collect();
        for (percent, value) in [(1, 1), (50, 50), (99, 99), (100, 100), (0, 1)] {
            assert_eq!(percentile(&mut hundred, percent), value, "{percent}");
        }
        assert_eq!(percentile(&mut [15, 20, 35, 40, 50], 40), 20);
        assert_eq!(percentile(&mut [15, 20, 35, 40, 50], 50), 35);
        assert_eq!(percentile(&mut [15, 20, 35, 40, 50], 99), 50);
        assert_eq!(percentile(&mut [7], 50), 7);
        assert_eq!(percentile(&mut [], 50), 0);
    }

    #[test]
    fn the_spread_is_from_the_least_to_the_greatest() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0]), Spread { median: 1.0, min: 1.0, max: 4.0 });
        assert_eq!(Spread::of([]), Spread { median: 0.0, min: 0.0, max: 0.0 });
    }
}
