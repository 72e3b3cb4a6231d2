//! What shared memory does to the numbers that free(1) shows.
//!
//! They are those of the whole machine, from `/proc/meminfo`, and every other process changes them too: read them as "about",
//! and try with a size that stands out. What is to be seen is that shared memory of each of the kinds counts as "shared" *and* as "cache" (System V
//! segments, POSIX memory and memfds are all files of the kernel's tmpfs), and as "used" because it cannot be
//! dropped as other cache can; and that it counts when it is written to, not when it is made.
//!
//! See `proc_meminfo(5)` and `free(1)`.

use std::fmt;

use procfs::{Current, Meminfo, ProcError};

/// The numbers of `free -w`, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// `MemTotal` without `MemAvailable` (as free(1) has it since procps 4).
    pub used: u64,
    /// `Shmem`.
    pub shared: u64,
    /// `Buffers`.
    pub buffers: u64,
    /// `Cached` and `SReclaimable`.
    pub cache: u64,
}

impl Memory {
    /// Asks the kernel.
    ///
    /// # Errors
    ///
    /// [`MeminfoError`] where there is no `/proc/meminfo`.
    pub fn now() -> Result<Memory, MeminfoError> {
        // In bytes; in the file they are in KiB.
        let info = current()?;
        Ok(Memory {
            used: info.mem_total.saturating_sub(available(&info)) / 1024,
            shared: info.shmem.unwrap_or_default() / 1024,
            buffers: info.buffers / 1024,
            cache: info.cached.saturating_add(info.s_reclaimable.unwrap_or_default()) / 1024,
        })
    }

    /// How much a program could have without others being swapped out (`MemAvailable`), in bytes.
    ///
    /// # Errors
    ///
    /// As [`Memory::now`].
    pub fn available() -> Result<u64, MeminfoError> {
        Ok(available(&current()?))
    }

    /// How this differs from what was `before`, as a row for under [`HEAD`].
    pub fn since(self, before: Memory) -> Change {
        Change { before, after: self }
    }

    fn columns(self) -> [u64; 4] {
        [self.used, self.shared, self.buffers, self.cache]
    }
}

fn current() -> Result<Meminfo, MeminfoError> {
    Meminfo::current().map_err(|source| MeminfoError { source: Box::new(source) })
}

/// Kernels that do not say it are older than any that this runs on.
fn available(info: &Meminfo) -> u64 {
    info.mem_available.unwrap_or(info.mem_free)
}

/// What is above the columns.
pub const HEAD: &str = "free -w, in KiB         used      shared     buffers       cache";

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.columns().iter().try_for_each(|number| write!(f, "{number:>12}"))
    }
}

/// A difference, with its signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    before: Memory,
    after: Memory,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.before.columns().iter().zip(self.after.columns()).try_for_each(|(before, after)| {
            let sign = if after < *before { '-' } else { '+' };
            write!(f, "{:>12}", format!("{sign}{}", after.abs_diff(*before)))
        })
    }
}

/// The kernel's numbers cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot read /proc/meminfo")]
pub struct MeminfoError {
    /// Why.
    pub source: Box<ProcError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_a_sign_and_its_column() {
        let before = Memory { used: 1000, shared: 20, buffers: 3, cache: 400 };
        let after = Memory { used: 5096, shared: 4116, buffers: 3, cache: 390 };
        assert_eq!(before.to_string(), "        1000          20           3         400");
        assert_eq!(after.since(before).to_string(), "       +4096       +4096          +0         -10");
        let head: String = HEAD.chars().skip(16).collect();
        assert_eq!(head, "        used      shared     buffers       cache");
    }

    #[test]
    #[cfg(not(miri))] // /proc
    fn shared_memory_is_counted() {
        let now = Memory::now().map_err(|error| error.to_string());
        assert!(now.as_ref().is_ok_and(|now| now.used > 0 && now.cache >= now.shared), "{now:?}");
    }
}
