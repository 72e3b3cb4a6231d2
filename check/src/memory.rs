//! The memory that cases share: every kind of fd, sealed and not.
//!
//! All memfds have the same name, so that what a compositor has kept of them is found in `/proc`.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

use crate::case::Stop;

/// The name of every memfd here, as it is shown in `/proc/PID/fd` and `/proc/PID/maps`.
pub const NAME: &str = "selkie-check";

/// A memfd of `size` bytes with these seals; more may be added unless `F_SEAL_SEAL` is among them. `None` makes it without
/// `MFD_ALLOW_SEALING`, so that it can never be sealed (memfd_create(2)).
///
/// # Errors
///
/// [`Stop::Skip`] if the kernel does not make it.
pub fn memfd(size: u64, seals: Option<SealFlags>) -> Result<OwnedFd, Stop> {
    let allow = if seals.is_some() { MemfdFlags::ALLOW_SEALING } else { MemfdFlags::empty() };
    let fd = rustix::fs::memfd_create(NAME, MemfdFlags::CLOEXEC | allow).map_err(cannot("make a memfd"))?;
    rustix::fs::ftruncate(&fd, size).map_err(cannot("give a memfd its size"))?;
    if let Some(seals) = seals.filter(|seals| !seals.is_empty()) {
        rustix::fs::fcntl_add_seals(&fd, seals).map_err(cannot("seal a memfd"))?;
    }
    Ok(fd)
}

/// A memfd with `F_SEAL_SHRINK`: what every compositor may trust.
///
/// # Errors
///
/// As [`memfd`].
pub fn sealed(size: u64) -> Result<OwnedFd, Stop> {
    memfd(size, Some(SealFlags::SHRINK))
}

/// A file of `size` bytes in a directory, already unlinked.
///
/// # Errors
///
/// [`Stop::Skip`] if it cannot be made there.
pub fn file_in(dir: &Path, size: u64) -> Result<OwnedFd, Stop> {
    let file = tempfile::tempfile_in(dir)
        .map_err(|error| Stop::skip(format_args!("cannot make a file in {}: {error}", dir.display())))?;
    file.set_len(size).map_err(|error| Stop::skip(format_args!("cannot give a file its size: {error}")))?;
    Ok(file.into())
}

/// The same memory by another fd, opened anew with these flags (`O_RDONLY`, ...).
///
/// # Errors
///
/// [`Stop::Skip`] if there is no `/proc`.
pub fn reopened(fd: impl AsFd, flags: OFlags) -> Result<OwnedFd, Stop> {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).map_err(cannot("open memory again"))
}

/// Writes 32-bit pixels (little-endian) at an offset in bytes.
///
/// # Errors
///
/// [`Stop::Skip`] if the memory cannot be written.
pub fn write_pixels(fd: impl AsFd, offset: u64, pixels: &[u32]) -> Result<(), Stop> {
    let bytes: Vec<u8> = pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let at = offset + (bytes.len() - rest.len()) as u64;
        let written = rustix::io::pwrite(&fd, rest, at).map_err(cannot("write pixels"))?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// For what must work on this machine, or the case cannot be run: `.map_err(cannot("make a memfd"))`.
pub fn cannot<E: std::fmt::Display>(what: &str) -> impl Fn(E) -> Stop + '_ {
    move |error| Stop::skip(format_args!("cannot {what} here: {error}"))
}
