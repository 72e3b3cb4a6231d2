//! The options that the classic pairs have in common.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use selkie_shm::pairs::{self, BYTE, Patience, SIZE};
use selkie_shm::trace::Trace;

use crate::exit::Outcome;

/// How much of what.
#[derive(Debug, Args)]
pub struct Content {
    /// How much memory, in bytes; with K, M or G: times 1024, and so on
    #[arg(long, value_name = "BYTES", default_value_t = SIZE, value_parser = size)]
    pub size: u64,
    #[command(flatten)]
    pub byte: Byte,
}

impl From<Content> for pairs::Content {
    fn from(Content { size, byte: Byte { byte } }: Content) -> pairs::Content {
        pairs::Content { size, byte }
    }
}

/// What the memory is full of.
#[derive(Debug, Args)]
pub struct Byte {
    /// The byte that the memory is full of, as in 90 or 0x5a
    #[arg(long, value_name = "BYTE", default_value = "0x5a", value_parser = byte)]
    pub byte: u8,
}

/// How long a writer stays.
#[derive(Debug, Args)]
pub struct Wait {
    /// Wait for the other side no longer than this; the exit status is 1 then [default: until Enter, or Ctrl-C]
    #[arg(long, value_name = "N", value_parser = crate::cli::seconds)]
    pub seconds: Option<f64>,
}

impl From<Wait> for Patience {
    fn from(wait: Wait) -> Patience {
        Patience { time: wait.seconds.map(Duration::from_secs_f64) }
    }
}

/// How much is said.
#[derive(Debug, Args)]
pub struct Said {
    /// Show the system calls, with their arguments and results as strace has them
    #[arg(short, long)]
    pub verbose: bool,
}

impl Said {
    /// Says it on standard output.
    pub fn trace(&self) -> Trace {
        Trace::new(io::stdout(), self.verbose)
    }
}

/// The exit status: 1 if a byte was not as it should be, or nobody came.
pub fn ended(good: bool) -> Outcome {
    debug_assert_eq!(BYTE, 0x5a, "what --help says");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn byte(text: &str) -> Result<u8, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| "write a number from 0 to 255, as in 90 or 0x5a".into())
}

/// Reads a number of bytes.
pub fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 1 << 10),
        Some((at, 'M' | 'm')) => (&text[..at], 1 << 20),
        Some((at, 'G' | 'g')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number.ok_or_else(|| "write a number of bytes, as in 4096, 64K or 4M".into())
}

/// Reads permission bits.
pub fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("write permission bits in octal, from 0 to 0777, as in 0640".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        assert_eq!((mode("0600"), mode("640")), (Ok(0o600), Ok(0o640)));
        for bad in ["", "8", "1777", "-1", "rw"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_and_sizes_are_numbers() {
        assert_eq!((byte("0x5A"), byte("90"), byte("0")), (Ok(0x5a), Ok(90), Ok(0)));
        for bad in ["", "256", "0x100", "-1", "x"] {
            assert!(byte(bad).is_err(), "{bad}");
        }
        assert_eq!(
            (size("4096"), size("64K"), size("4M"), size("1G")),
            (Ok(4096), Ok(65536), Ok(4 << 20), Ok(1 << 30))
        );
        for bad in ["", "K", "-1", "1.5M", "99999999999G", "4MiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
