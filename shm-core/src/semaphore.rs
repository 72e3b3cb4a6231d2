//! Named POSIX semaphores: a count in shared memory that processes wait for, found by a name.
//!
//! A semaphore is a number. [`Semaphore::post`] adds one; [`Semaphore::wait`] takes one away, and sleeps while there is none.
//! With two of them a ring of slots is shared: one counts the slots that are free, one those that are filled.
//!
//! The name `/x` is the file `/dev/shm/sem.x`, which the C library maps. It stays, with its count, until it is unlinked, also
//! when everybody who used it was killed: nobody is told of that, and a count that a killed process has taken is not given
//! back. Who has opened it goes on using it after the name is gone ([`Link`]).
//!
//! This is for processes that trust each other: whoever may open a semaphore may post as often as they like, and by shrinking
//! its file end everybody who uses it (`SIGBUS`, inside of the C library, where no [`guard`](crate::guard) can help). The mode
//! says who that is: 0600 is the user alone.
//!
//! See `sem_overview(7)`, `sem_open(3)`, `sem_wait(3)`, `sem_post(3)`, `sem_unlink(3)`.

use std::ffi::CString;
use std::io;
use std::ptr::NonNull;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A semaphore that is open in this process. Dropping it closes it (`sem_close(3)`); its name stays.
#[derive(Debug)]
pub struct Semaphore {
    raw: NonNull<libc::sem_t>,
    name: String,
}

// SAFETY: the functions of the C library on semaphores may be called on any thread, and on many at a time (pthreads(7),
// sem_overview(7)). It is closed once, when nobody borrows it any more.
unsafe impl Send for Semaphore {}
// SAFETY: as above.
unsafe impl Sync for Semaphore {}

/// The name of a semaphore, to be removed (`sem_unlink(3)`) when this is dropped.
///
/// Who is killed drops nothing: then the name stays.
#[derive(Debug)]
#[must_use = "the name is removed when this is dropped"]
pub struct Link {
    name: String,
}

impl Semaphore {
    /// Creates a semaphore with this count (`sem_open` with `O_CREAT|O_EXCL`). `mode` are the permissions of its file, from
    /// which the umask is taken.
    ///
    /// # Errors
    ///
    /// [`SemaphoreError::Name`], and [`SemaphoreError::Create`] with `EEXIST` if the name is taken, `EINVAL` if the count is
    /// above 2147483647 (`SEM_VALUE_MAX`), `EACCES`, `ENOSPC`.
    pub fn create(name: &str, mode: u32, value: u32) -> Result<(Semaphore, Link), SemaphoreError> {
        let path = checked(name)?;
        let create = |source| SemaphoreError::Create { name: name.to_owned(), value, source };
        // SAFETY: a string that ends in NUL; the further arguments are of the types that O_CREAT takes.
        let raw = unsafe { libc::sem_open(path.as_ptr(), libc::O_CREAT | libc::O_EXCL, mode, value) };
        let semaphore = Semaphore::opened(raw, name).map_err(create)?;
        Ok((semaphore, Link { name: name.to_owned() }))
    }

    /// Opens a semaphore that exists.
    ///
    /// # Errors
    ///
    /// [`SemaphoreError::Name`], and [`SemaphoreError::Open`] with `ENOENT` if there is none, `EACCES` if its mode does not
    /// let this user read and write it.
    pub fn open(name: &str) -> Result<Semaphore, SemaphoreError> {
        let path = checked(name)?;
        // SAFETY: a string that ends in NUL; without O_CREAT there are no further arguments.
        let raw = unsafe { libc::sem_open(path.as_ptr(), 0) };
        Semaphore::opened(raw, name).map_err(|source| SemaphoreError::Open { name: name.to_owned(), source })
    }

    fn opened(raw: *mut libc::sem_t, name: &str) -> io::Result<Semaphore> {
        // Null is SEM_FAILED.
        let raw = NonNull::new(raw).ok_or_else(io::Error::last_os_error)?;
        Ok(Semaphore { raw, name: name.to_owned() })
    }

    /// The name by which it was opened. It may be another's by now, or nobody's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes one away, and sleeps until there is one. A signal does not end the sleep.
    ///
    /// # Errors
    ///
    /// [`SemaphoreError::Use`] with `EINVAL` if the file holds no semaphore.
    pub fn wait(&self) -> Result<(), SemaphoreError> {
        // SAFETY: open until it is dropped.
        self.uninterrupted("wait for", || unsafe { libc::sem_wait(self.raw.as_ptr()) })
    }

    /// Takes one away if there is one, and says whether there was.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::wait`].
    pub fn try_wait(&self) -> Result<bool, SemaphoreError> {
        // SAFETY: as in `wait`.
        let taken = self.uninterrupted("try", || unsafe { libc::sem_trywait(self.raw.as_ptr()) });
        unless(taken, libc::EAGAIN)
    }

    /// Takes one away; `false` if in all that time there was none.
    ///
    /// The time is measured with the clock that can be set (`CLOCK_REALTIME`), as `sem_timedwait(3)` does it.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::wait`].
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool, SemaphoreError> {
        let now = clock_gettime(ClockId::Realtime);
        let nanoseconds = now.tv_nsec + i64::from(timeout.subsec_nanos());
        let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
        let deadline = libc::timespec {
            tv_sec: now.tv_sec.saturating_add(seconds).saturating_add(nanoseconds / 1_000_000_000),
            tv_nsec: nanoseconds % 1_000_000_000,
        };
        // SAFETY: as in `wait`; the deadline is only read.
        let taken = self.uninterrupted("wait for", || unsafe {
            libc::sem_timedwait(self.raw.as_ptr(), &raw const deadline)
        });
        unless(taken, libc::ETIMEDOUT)
    }

    /// Adds one, and wakes somebody who waits.
    ///
    /// # Errors
    ///
    /// [`SemaphoreError::Use`] with `EOVERFLOW` if the count is 2147483647 already (`SEM_VALUE_MAX`).
    pub fn post(&self) -> Result<(), SemaphoreError> {
        // SAFETY: as in `wait`.
        self.uninterrupted("post", || unsafe { libc::sem_post(self.raw.as_ptr()) })
    }

    /// The count at this moment; 0 if somebody waits.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::wait`].
    pub fn value(&self) -> Result<u32, SemaphoreError> {
        let mut value = 0;
        // SAFETY: as in `wait`; `value` is written.
        self.uninterrupted("read", || unsafe { libc::sem_getvalue(self.raw.as_ptr(), &raw mut value) })?;
        // Linux never answers with a negative number of waiters.
        Ok(value.max(0).unsigned_abs())
    }

    /// Makes a call, again if a signal has interrupted it.
    fn uninterrupted(
        &self,
        what: &'static str,
        mut call: impl FnMut() -> libc::c_int,
    ) -> Result<(), SemaphoreError> {
        loop {
            if call() == 0 {
                return Ok(());
            }
            let source = io::Error::last_os_error();
            if source.raw_os_error() != Some(libc::EINTR) {
                return Err(SemaphoreError::Use { what, name: self.name.clone(), source });
            }
        }
    }
}

/// Whether it worked, if the only reason not to is that one.
fn unless(result: Result<(), SemaphoreError>, errno: i32) -> Result<bool, SemaphoreError> {
    match result {
        Ok(()) => Ok(true),
        Err(SemaphoreError::Use { source, .. }) if source.raw_os_error() == Some(errno) => Ok(false),
        Err(error) => Err(error),
    }
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        // SAFETY: what sem_open gave, closed once. Where the same name was opened twice the C library counts.
        if unsafe { libc::sem_close(self.raw.as_ptr()) } != 0 {
            let error = io::Error::last_os_error();
            tracing::error!(%error, name = self.name, "cannot close a semaphore");
        }
    }
}

/// Removes the name of a semaphore. Who has it open goes on using it.
///
/// # Errors
///
/// [`SemaphoreError::Name`], and [`SemaphoreError::Unlink`] with `ENOENT` if there is none, `EACCES` if it is another user's.
pub fn unlink(name: &str) -> Result<(), SemaphoreError> {
    let path = checked(name)?;
    // SAFETY: a string that ends in NUL.
    if unsafe { libc::sem_unlink(path.as_ptr()) } == 0 {
        return Ok(());
    }
    Err(SemaphoreError::Unlink { name: name.to_owned(), source: io::Error::last_os_error() })
}

impl Link {
    /// Removes the name now, rather than when this is dropped.
    ///
    /// # Errors
    ///
    /// As [`unlink`]; it is not tried again.
    pub fn remove(self) -> Result<(), SemaphoreError> {
        let result = unlink(&self.name);
        self.keep();
        result
    }

    /// Lets the name stay.
    pub fn keep(mut self) {
        self.name.clear();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return;
        }
        if let Err(error) = unlink(&self.name) {
            tracing::warn!(%error, "a semaphore's name is left");
        }
    }
}

/// The longest name, without its slash, in bytes: that of a file, less the `sem.` that the C library puts before it.
const LONGEST: usize = 251;

/// The name as the C library takes it. It would take some that are none by sem_overview(7) too, without a slash for instance.
fn checked(name: &str) -> Result<CString, SemaphoreError> {
    let why = match name.strip_prefix('/') {
        None => "it has to begin with a slash",
        Some("") => "there is nothing after the slash",
        Some(rest) if rest.contains('/') => "it may have no slash but the first",
        Some(rest) if rest.len() > LONGEST => "it may be no longer than 251 bytes after the slash",
        Some(_) => match CString::new(name) {
            Ok(path) => return Ok(path),
            Err(_) => "it may hold no NUL",
        },
    };
    Err(SemaphoreError::Name { name: name.to_owned(), why })
}

/// Why a semaphore could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum SemaphoreError {
    /// It cannot be the name of a semaphore.
    #[error("{name:?} cannot be the name of a semaphore: {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// `sem_open` with `O_CREAT` failed.
    #[error("cannot create the semaphore {name:?} with the count {value}")]
    Create {
        /// Its name.
        name: String,
        /// Its count.
        value: u32,
        /// What the C library said.
        source: io::Error,
    },
    /// `sem_open` failed.
    #[error("cannot open the semaphore {name:?}")]
    Open {
        /// Its name.
        name: String,
        /// What the C library said.
        source: io::Error,
    },
    /// It could not be waited for, posted or read.
    #[error("cannot {what} the semaphore {name:?}")]
    Use {
        /// What was to be done.
        what: &'static str,
        /// Its name.
        name: String,
        /// What the C library said.
        source: io::Error,
    },
    /// `sem_unlink` failed.
    #[error("cannot remove the semaphore's name {name:?}")]
    Unlink {
        /// The name.
        name: String,
        /// What the C library said.
        source: io::Error,
    },
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests;
