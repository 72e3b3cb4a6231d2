//! The `F_SEAL_*` set of a piece of memory: promises that the kernel keeps about it.
//!
//! A seal can be added and never removed, so what a set *contains* stays true. What it does not contain may come later,
//! and kernels add new seals (`F_SEAL_EXEC` is set on many memfds nobody sealed): ask [`Seals::contains`], never `==`.
//!
//! See `fcntl(2)`, "File Sealing", and `memfd_create(2)`.

use std::fmt;
use std::io;
use std::ops::BitOr;
use std::os::fd::AsFd;
use std::str::FromStr;

use rustix::fs::SealFlags;

/// A set of file seals, `F_SEAL_*` of `fcntl(2)`.
///
/// Bits unknown to this crate are kept, and shown in hexadecimal.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Seals(u32);

/// The seals by name, in the order in which they are shown.
const NAMES: [(Seals, &str); 6] = [
    (Seals::SEAL, "seal"),
    (Seals::SHRINK, "shrink"),
    (Seals::GROW, "grow"),
    (Seals::WRITE, "write"),
    (Seals::FUTURE_WRITE, "future-write"),
    (Seals::EXEC, "exec"),
];

impl Seals {
    /// `F_SEAL_SEAL`: no more seals can be added. Memory that was never sealable has it from the start.
    pub const SEAL: Seals = Seals(SealFlags::SEAL.bits());
    /// `F_SEAL_SHRINK`: the file cannot become smaller. The one that makes a mapping safe to read.
    pub const SHRINK: Seals = Seals(SealFlags::SHRINK.bits());
    /// `F_SEAL_GROW`: the file cannot become larger.
    pub const GROW: Seals = Seals(SealFlags::GROW.bits());
    /// `F_SEAL_WRITE`: nobody can change the content, nor punch holes in it.
    pub const WRITE: Seals = Seals(SealFlags::WRITE.bits());
    /// `F_SEAL_FUTURE_WRITE` (Linux 5.1): only mappings made before can change the content.
    pub const FUTURE_WRITE: Seals = Seals(SealFlags::FUTURE_WRITE.bits());
    /// `F_SEAL_EXEC` (Linux 6.3): the executable bits of the mode cannot change. Says nothing about content or size.
    pub const EXEC: Seals = Seals(SealFlags::EXEC.bits());

    /// No seals.
    pub const fn empty() -> Seals {
        Seals(0)
    }

    /// The set with exactly these bits, also those that have no name here.
    pub const fn from_bits_retain(bits: u32) -> Seals {
        Seals(bits)
    }

    /// The bits as `fcntl(2)` has them.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether there is no seal.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether every seal of `other` is in this set.
    pub const fn contains(self, other: Seals) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any seal of `other` is in this set.
    pub const fn intersects(self, other: Seals) -> bool {
        self.0 & other.0 != 0
    }

    /// The seals of both sets.
    #[must_use]
    pub const fn union(self, other: Seals) -> Seals {
        Seals(self.0 | other.0)
    }

    /// The seals of this set that are not in `other`.
    #[must_use]
    pub const fn difference(self, other: Seals) -> Seals {
        Seals(self.0 & !other.0)
    }

    /// The seals that `fd` carries (`F_GET_SEALS`).
    ///
    /// The kernel answers by itself, whatever the file is: no file system and no other process is asked.
    ///
    /// # Errors
    ///
    /// [`SealError::Get`] with `EINVAL` for a file that cannot have seals (anything but shmem and hugetlbfs), with
    /// `EBADF` for an fd opened with `O_PATH`.
    pub fn of(fd: impl AsFd) -> Result<Seals, SealError> {
        match rustix::fs::fcntl_get_seals(fd) {
            Ok(seals) => Ok(Seals(seals.bits())),
            Err(source) => Err(SealError::Get { source: source.into() }),
        }
    }

    /// Adds seals to the memory behind `fd` (`F_ADD_SEALS`).
    ///
    /// The kernel takes the inode's lock for this, which a hostile owner can hold for as long as it likes; on memory of
    /// another process use [`crate::verdict::adopt`].
    ///
    /// # Errors
    ///
    /// [`SealError::Add`] with `EPERM` if the memory has [`Seals::SEAL`] or the fd is read-only, `EBUSY` if
    /// [`Seals::WRITE`] is asked for while a writable shared mapping exists, `EINVAL` if the file cannot have seals or the
    /// kernel does not know one of these.
    pub fn add(fd: impl AsFd, seals: Seals) -> Result<(), SealError> {
        rustix::fs::fcntl_add_seals(fd, SealFlags::from_bits_retain(seals.0))
            .map_err(|source| SealError::Add { seals, source: source.into() })
    }
}

/// Makes sure that the memory behind `fd` cannot shrink, and says which seals it has then.
///
/// Asks, adds [`Seals::SHRINK`] if it is missing, and asks again: an `EPERM` of the adding does not mean that the seal is
/// missing, since memory with `SEAL+SHRINK` answers it too. Waits as [`Seals::add`] does, so it is for memory of our own.
///
/// # Errors
///
/// The [`SealError::Add`] of the kernel if the seal is still missing in the end, [`SealError::Get`] as [`Seals::of`].
pub fn add_shrink(fd: impl AsFd) -> Result<Seals, SealError> {
    let before = Seals::of(&fd)?;
    if before.contains(Seals::SHRINK) {
        return Ok(before);
    }
    let added = Seals::add(&fd, Seals::SHRINK);
    let after = Seals::of(&fd)?;
    if after.contains(Seals::SHRINK) {
        return Ok(after);
    }
    // Seals cannot be removed, so an adding that succeeded cannot be missing afterwards: only its error leads here.
    added.map(|()| after)
}

impl BitOr for Seals {
    type Output = Seals;

    fn bitor(self, other: Seals) -> Seals {
        self.union(other)
    }
}

impl fmt::Display for Seals {
    /// `seal+shrink`, always in the same order; `none` for the empty set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let mut rest = *self;
        let mut separator = "";
        for (seal, name) in NAMES {
            if self.contains(seal) {
                write!(f, "{separator}{name}")?;
                separator = "+";
                rest = rest.difference(seal);
            }
        }
        if !rest.is_empty() {
            write!(f, "{separator}{:#x}", rest.0)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seals({self})")
    }
}

impl FromStr for Seals {
    type Err = ParseSealsError;

    /// Reads names separated by `,` or `+` in any order and case, or `none`, or a number such as `0x40`.
    fn from_str(text: &str) -> Result<Seals, ParseSealsError> {
        if text.trim().eq_ignore_ascii_case("none") {
            return Ok(Seals::empty());
        }
        text.split([',', '+']).try_fold(Seals::empty(), |set, word| Ok(set.union(parse_one(word.trim())?)))
    }
}

/// One seal by its name, or any set of bits in hexadecimal.
fn parse_one(word: &str) -> Result<Seals, ParseSealsError> {
    let plain = word.to_ascii_lowercase().replace('_', "-");
    let named = NAMES.iter().find(|(_, name)| *name == plain).map(|(seal, _)| *seal);
    let number = || u32::from_str_radix(plain.strip_prefix("0x")?, 16).ok().map(Seals);
    named.or_else(number).ok_or_else(|| ParseSealsError { word: word.to_owned() })
}

/// A word that names no seal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no seal; the seals are seal, shrink, grow, write, future-write and exec, or none")]
pub struct ParseSealsError {
    /// The word as it was given.
    pub word: String,
}

/// Why seals could not be read or added.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// `F_GET_SEALS` failed.
    #[error("cannot read the seals of this file")]
    Get {
        /// What the kernel said.
        source: io::Error,
    },
    /// `F_ADD_SEALS` failed.
    #[error("cannot add the seals {seals}")]
    Add {
        /// The seals that were to be added.
        seals: Seals,
        /// What the kernel said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_seals_in_a_fixed_order() {
        assert_eq!(Seals::empty().to_string(), "none");
        assert_eq!((Seals::SHRINK | Seals::SEAL).to_string(), "seal+shrink");
        assert_eq!(
            Seals::from_bits_retain(0x7f).to_string(),
            "seal+shrink+grow+write+future-write+exec+0x40"
        );
        assert_eq!(Seals::from_bits_retain(0x40).to_string(), "0x40");
        assert_eq!(format!("{:?}", Seals::EXEC), "Seals(exec)");
        assert_eq!(Seals::EXEC.bits(), 0x20);
    }

    #[test]
    fn reads_seals_in_any_order() {
        assert_eq!("shrink,grow,seal".parse(), Ok(Seals::SEAL | Seals::SHRINK | Seals::GROW));
        assert_eq!(" shrink + future_write ".parse(), Ok(Seals::SHRINK | Seals::FUTURE_WRITE));
        assert_eq!("None".parse(), Ok(Seals::empty()));
        for wrong in ["", "shrink,", "none,shrink", "shrinking", "0x", "0xg"] {
            let word = wrong.split(',').find(|word| parse_one(word).is_err()).unwrap();
            assert_eq!(wrong.parse::<Seals>(), Err(ParseSealsError { word: word.to_owned() }));
        }
        assert_eq!(
            "frozen".parse::<Seals>().unwrap_err().to_string(),
            "`frozen` is no seal; the seals are seal, shrink, grow, write, future-write and exec, or none"
        );
    }

    proptest! {
        // Nothing is written to a file, which Miri would refuse.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_shown_can_be_read(bits: u32) {
            let seals = Seals::from_bits_retain(bits);
            prop_assert_eq!(seals.to_string().parse(), Ok(seals));
        }

        #[test]
        fn sets_behave_as_sets(a: u32, b: u32) {
            let (x, y) = (Seals::from_bits_retain(a), Seals::from_bits_retain(b));
            prop_assert!(x.union(y).contains(x) && x.union(y).contains(y));
            prop_assert_eq!(x.intersects(y), !x.difference(x.difference(y)).is_empty());
            prop_assert_eq!(x.contains(y), x.union(y) == x);
        }
    }
}
