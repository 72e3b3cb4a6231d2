//! The messages: bytes whose content shows whether they arrived whole and in order.
//!
//! The first eight bytes and the last eight are the message's number; between them is a pattern that is always the same.
//! So a message that is handed over rather than copied costs its sender two words, and a transport that loses, repeats or
//! tears messages fails instead of being measured.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is between the numbers: 0 to 250, again and again. A prime number of bytes, so that no page is like the one before.
const PERIOD: usize = 251;

/// A message's size in bytes: from [`Size::LEAST`] to [`Size::MOST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Size(usize);

impl Size {
    /// Room for the message's number at both ends.
    pub const LEAST: usize = 16;
    /// 256 MiB: every transport keeps some messages of this size in memory.
    pub const MOST: usize = 256 << 20;

    /// The sizes that are measured if nobody asks for others: a line of text, a page, a pipe's buffer, an icon, and a frame of
    /// 1920 by 1080 pixels, rounded up.
    pub const USUAL: [Size; 5] = [Size(64), Size(4 << 10), Size(64 << 10), Size(1 << 20), Size(8 << 20)];

    /// In bytes.
    pub fn bytes(self) -> usize {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            bytes if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
            bytes if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
            bytes => format!("{bytes} B"),
        };
        f.pad(&text)
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Size, SizeError> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let shift = match text[digits.len()..].trim_start() {
            "" | "B" => 0,
            "K" | "k" | "KiB" => 10,
            "M" | "MiB" => 20,
            "G" | "GiB" => 30,
            _ => return Err(SizeError::Unknown { text: text.to_owned() }),
        };
        let number: usize = digits.parse().map_err(|_| SizeError::Unknown { text: text.to_owned() })?;
        match number.checked_mul(1 << shift) {
            Some(bytes) if (Size::LEAST..=Size::MOST).contains(&bytes) => Ok(Size(bytes)),
            _ => Err(SizeError::Range { text: text.to_owned() }),
        }
    }
}

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// It is no number of bytes.
    #[error("{text:?} is no size: write a number of bytes, as in 64, 4K or 8M")]
    Unknown {
        /// What was written.
        text: String,
    },
    /// It is too small or too big.
    #[error("{text} is not between 16 (a message carries its number at both ends) and 256M")]
    Range {
        /// What was written.
        text: String,
    },
}

/// How closely an arriving message is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Look {
    /// The numbers at both ends: what is done while time is taken.
    Ends,
    /// Every byte.
    All,
}

/// A message in memory that belongs to one process alone.
#[derive(Debug)]
pub(super) struct Frame(Vec<u8>);

impl Frame {
    pub(super) fn new(size: Size) -> Frame {
        let mut bytes = period(0).repeat(size.bytes().div_ceil(PERIOD));
        bytes.truncate(size.bytes());
        Frame(bytes)
    }

    /// Makes it message `number`, and gives its bytes.
    pub(super) fn stamped(&mut self, number: u64) -> &[u8] {
        let end = self.0.len() - 8;
        self.0[..8].copy_from_slice(&number.to_ne_bytes());
        self.0[end..].copy_from_slice(&number.to_ne_bytes());
        &self.0
    }

    pub(super) fn size(&self) -> Size {
        Size(self.0.len())
    }

    /// The bytes, to be received into.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The number of the message that is in it.
    ///
    /// # Errors
    ///
    /// [`Garbled`] if it is not whole, as far as was looked.
    pub(super) fn number(&self, look: Look) -> Result<u64, Garbled> {
        let (first, rest) = word(&self.0);
        let (last, middle) = word_at_end(rest);
        if first != last {
            return Err(Garbled::Ends { first, last });
        }
        if look == Look::All {
            check_pattern(middle)?;
        }
        Ok(first)
    }
}

fn word(bytes: &[u8]) -> (u64, &[u8]) {
    match bytes.split_first_chunk() {
        Some((word, rest)) => (u64::from_ne_bytes(*word), rest),
        None => (0, bytes),
    }
}

fn word_at_end(bytes: &[u8]) -> (u64, &[u8]) {
    match bytes.split_last_chunk() {
        Some((rest, word)) => (u64::from_ne_bytes(*word), rest),
        None => (0, bytes),
    }
}

/// The pattern from the byte at `offset` on, once.
fn period(offset: usize) -> Vec<u8> {
    // All below 251.
    (0..PERIOD).filter_map(|index| u8::try_from((offset + index) % PERIOD).ok()).collect()
}

/// Compares what is between a message's ends with what was sent, a period at a time.
fn check_pattern(middle: &[u8]) -> Result<(), Garbled> {
    let period = period(8);
    for (index, chunk) in middle.chunks(PERIOD).enumerate() {
        if *chunk != period[..chunk.len()] {
            let wrong = chunk.iter().zip(&period).position(|(is, should)| is != should);
            return Err(Garbled::Middle { offset: 8 + index * PERIOD + wrong.unwrap_or(0) });
        }
    }
    Ok(())
}

/// A message did not arrive as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Garbled {
    /// Its ends belong to different messages.
    #[error("a message began as number {first} and ended as number {last}")]
    Ends {
        /// The number in its first eight bytes.
        first: u64,
        /// The number in its last eight bytes.
        last: u64,
    },
    /// A byte between them is another.
    #[error("byte {offset} of a message is not what was sent")]
    Middle {
        /// Which one, from 0.
        offset: usize,
    },
    /// It is whole, and not the one whose turn it was.
    #[error("message {got} came when it was the turn of {expected}")]
    Order {
        /// The number that was due.
        expected: u64,
        /// The number that came.
        got: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Frame {
        Frame::new(Size(bytes))
    }

    #[test]
    fn sizes_are_read_and_written() {
        let size = |text: &str| text.parse::<Size>().map(|size| (size.bytes(), size.to_string()));
        assert_eq!(size("64"), Ok((64, "64 B".to_owned())));
        assert_eq!(size("64B"), Ok((64, "64 B".to_owned())));
        assert_eq!(size("4K"), Ok((4096, "4 KiB".to_owned())));
        assert_eq!(size("8M"), Ok((8 << 20, "8 MiB".to_owned())));
        assert_eq!(size("8 MiB"), Ok((8 << 20, "8 MiB".to_owned())));
        assert_eq!(size("1500"), Ok((1500, "1500 B".to_owned())));
        for text in ["", "K", "four", "-4", "4X", "4.5K", "99999999999999999999999", "4é"] {
            assert_eq!(size(text), Err(SizeError::Unknown { text: text.to_owned() }), "{text}");
        }
        for text in ["0", "15", "257M", "99999999999999G"] {
            assert_eq!(size(text), Err(SizeError::Range { text: text.to_owned() }), "{text}");
        }
    }

    #[test]
    fn a_message_that_arrives_whole_says_its_number() {
        for bytes in [16, 17, 64, 4096, 10_000] {
            let (mut sent, mut got) = (frame(bytes), frame(bytes));
            got.bytes().fill(0xff);
            got.bytes().copy_from_slice(sent.stamped(0x0123_4567_89ab_cdef));
            assert_eq!(got.number(Look::All), Ok(0x0123_4567_89ab_cdef));
        }
    }

    #[test]
    fn a_message_that_was_torn_or_changed_is_found_out() {
        let mut got = frame(4096);
        got.stamped(7);
        let half = got.bytes()[..100].to_vec();
        got.stamped(8);
        got.bytes()[..100].copy_from_slice(&half);
        assert_eq!(got.number(Look::Ends), Err(Garbled::Ends { first: 7, last: 8 }));
        got.stamped(9);
        got.bytes()[3000] ^= 1;
        assert_eq!(got.number(Look::Ends), Ok(9));
        assert_eq!(got.number(Look::All), Err(Garbled::Middle { offset: 3000 }));
    }
}
