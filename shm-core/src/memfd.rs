//! Memory of our own in a memfd, sealed from the start, so that whoever gets it need not trust us.
//!
//! See `memfd_create(2)`. Created with `MFD_CLOEXEC`; seals come last, after the size.

use std::io;
use std::os::fd::OwnedFd;

pub use ::memfd::HugetlbSize;

use crate::seals::{SealError, Seals};

/// Creates a memfd of `size` bytes and adds `seals` to it.
///
/// With `None` the memory is made without `MFD_ALLOW_SEALING`: nobody can ever seal it. With `Some(Seals::empty())` it
/// carries no seal, and whoever gets a writable fd may add some.
///
/// `name` is shown in `/proc/PID/fd` and `/proc/PID/maps`, nothing more; it need not be unique.
///
/// # Errors
///
/// [`CreateError`], which names the step that failed.
pub fn create(name: &str, size: u64, seals: Option<Seals>) -> Result<OwnedFd, CreateError> {
    Options { seals, huge: None }.create(name, size)
}

/// What kind of memfd to create.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The seals to add; `None`: created without `MFD_ALLOW_SEALING`.
    pub seals: Option<Seals>,
    /// Back it by huge pages of this size (`MFD_HUGETLB`); its size must then be a multiple of that.
    pub huge: Option<HugetlbSize>,
}

impl Options {
    /// Creates a memfd of `size` bytes.
    ///
    /// # Errors
    ///
    /// [`CreateError`], which names the step that failed.
    pub fn create(self, name: &str, size: u64) -> Result<OwnedFd, CreateError> {
        let memfd = ::memfd::MemfdOptions::new()
            .allow_sealing(self.seals.is_some())
            .hugetlb(self.huge)
            .create(name)
            .map_err(|error| CreateError::Create { name: name.to_owned(), source: system(error) })?;
        let file = memfd.into_file();
        file.set_len(size).map_err(|source| CreateError::Size { name: name.to_owned(), size, source })?;
        if let Some(seals) = self.seals.filter(|seals| !seals.is_empty()) {
            Seals::add(&file, seals).map_err(|source| CreateError::Seal { name: name.to_owned(), source })?;
        }
        Ok(file.into())
    }
}

/// The error of the system call behind an error of the `memfd` crate.
fn system(error: ::memfd::Error) -> io::Error {
    match error {
        ::memfd::Error::Create(source)
        | ::memfd::Error::AddSeals(source)
        | ::memfd::Error::GetSeals(source) => source,
    }
}

/// Why a memfd could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// `memfd_create` failed.
    #[error("cannot create the memfd `{name}`")]
    Create {
        /// Its name.
        name: String,
        /// What the kernel said: `EMFILE`, `ENFILE`, `EINVAL` (a name over 249 bytes), `ENOMEM`.
        source: io::Error,
    },
    /// `ftruncate` failed.
    #[error("cannot make the memfd `{name}` {size} bytes long")]
    Size {
        /// Its name.
        name: String,
        /// The size asked for, in bytes.
        size: u64,
        /// What the kernel said: `EINVAL` (beyond `i64::MAX`, or not a multiple of the huge page), `EFBIG`.
        source: io::Error,
    },
    /// Its seals could not be added.
    #[error("cannot seal the memfd `{name}`")]
    Seal {
        /// Its name.
        name: String,
        /// Which seals, and what the kernel said.
        source: SealError,
    },
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;

    #[test]
    fn carries_its_seals_and_its_size() {
        for (seals, expected) in [
            (None, Seals::SEAL),
            (Some(Seals::empty()), Seals::empty()),
            (Some(Seals::SHRINK), Seals::SHRINK),
            (Some(Seals::SEAL | Seals::SHRINK | Seals::GROW), Seals::SEAL | Seals::SHRINK | Seals::GROW),
        ] {
            let fd = create("selkie-test", 4097, seals).unwrap();
            assert_eq!(Seals::of(&fd).unwrap().difference(Seals::EXEC), expected);
            assert_eq!(rustix::fs::fstat(&fd).unwrap().st_size, 4097);
            assert!(rustix::io::fcntl_getfd(&fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        }
    }

    #[test]
    fn says_which_step_failed() {
        let error = create(&"x".repeat(300), 1, None).unwrap_err();
        assert!(matches!(error, CreateError::Create { .. }), "{error:?}");
        let error = create("big", u64::MAX, None).unwrap_err();
        assert!(matches!(error, CreateError::Size { size: u64::MAX, .. }), "{error:?}");
        let error = create("odd", 1, Some(Seals::from_bits_retain(1 << 30))).unwrap_err();
        assert_eq!(error.to_string(), "cannot seal the memfd `odd`");
        assert!(matches!(error, CreateError::Seal { source: SealError::Add { .. }, .. }), "{error:?}");
    }
}
