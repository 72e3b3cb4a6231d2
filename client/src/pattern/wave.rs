//! A sine in integers: floating-point sines differ between machines, and pictures must not.

/// Steps of one full turn.
pub const TURN: u32 = 1024;

/// One full turn from 0 to 65535, by Bhaskara's formula: 16x(π-x) / (5π² - 4x(π-x)) for half a turn.
static TABLE: [u16; TURN as usize] = {
    let mut table = [0; TURN as usize];
    let half = TURN as i64 / 2;
    let mut i = 0;
    while i < half {
        let t = i * (half - i);
        let sine = 32767 * 16 * t / (5 * half * half - 4 * t);
        table[i as usize] = (32768 + sine) as u16;
        table[(i + half) as usize] = (32768 - sine) as u16;
        i += 1;
    }
    table
};

/// The sine of `angle` (1024 to the turn), moved to 0..=65535.
#[inline]
pub fn sine(angle: u32) -> u16 {
    TABLE[(angle % TURN) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_nearly_a_sine() {
        for angle in 0..TURN {
            let exact = 32768.0 + 32767.0 * (f64::from(angle) * std::f64::consts::TAU / 1024.0).sin();
            assert!((f64::from(sine(angle)) - exact).abs() < 60.0, "{angle}");
        }
    }
}
