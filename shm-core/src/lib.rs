//! Linux shared memory between processes that do not trust each other.
//!
//! A Wayland client hands its compositor a file descriptor and says "my pixels are in there". The memory behind it may
//! shrink while it is being read, may belong to a file system whose owner never answers, or may not be memory at all.
//! This crate says which it is ([`verdict`]), makes memory that others may trust ([`memfd`], [`own`]), and reads memory
//! that cannot be trusted without dying of it ([`mapping`], [`guard`], [`pread`]). It knows no Wayland.
//!
//! | question | module |
//! |---|---|
//! | what is this fd, and may it be read? | [`verdict`], [`seals`] |
//! | what would the kernel say? | [`attempt`] |
//! | read it in place | [`mapping`] (another process writes it), [`frozen`] (nobody can) |
//! | copy it out | [`pread`], or [`mapping::Mapping::copy_to`] |
//! | copy pictures | [`blit`] |
//! | write into it | [`deliver`] |
//! | make some of our own | [`memfd`], [`own`] |
//! | use any of the four mechanisms | [`mechanism`]; once it is mapped: [`shared`] |
//! | make, find and remove System V segments | [`sysv`] |
//! | make, find and unlink POSIX shared memory | [`posix`] |
//! | get at what another process has open | [`peer`] |
//! | use a dma-buf | [`dmabuf`] |
//! | make a dma-buf | [`udmabuf`] (of a memfd; [`alias`] tells whether it still is that), [`dma_heap`] |
//! | make others wait for a dma-buf | [`vgem`] |
//! | say apart from a dma-buf when it is done | [`timeline`] |
//! | wait for another process | [`semaphore`] |
//! | pass it on | [`fdpass`]; a stranger's: [`relay`] |
//! | be rid of it | [`closer`] |
//! | hand frames over through it | [`ring`] |
//! | wait for a word in it to change | [`futex`] |
//! | wait in shared memory for another process | [`doorbell`] |
//! | learn that the other process has ended | [`liveness`] |
//!
//! # Memory that another process writes
//!
//! No function here makes a `&[u8]` of memory that somebody else may write: a reference promises the compiler that
//! nobody does. Such memory is reached through raw pointers inside a closure, or copied out. The one exception is
//! [`frozen::Frozen`], whose memory the kernel lets nobody write any more.
//!
//! # Signals
//!
//! [`guard`] installs a handler for `SIGBUS` with the first mapping, and passes on what is not its own.

#![warn(missing_docs)]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("shm-core is about Linux shared memory, and reckons with 64-bit addresses");

pub mod alias;
pub mod attempt;
pub mod blit;
pub mod closer;
pub mod deliver;
pub mod dma_heap;
pub mod dmabuf;
pub mod doorbell;
pub mod fdpass;
pub mod frozen;
pub mod futex;
pub mod guard;
mod helpers;
pub mod liveness;
pub mod mapping;
pub mod mechanism;
pub mod memfd;
pub mod own;
mod pages;
pub mod peer;
pub mod posix;
pub mod pread;
pub mod process;
pub mod relay;
pub mod ring;
pub mod seals;
pub mod semaphore;
pub mod shared;
pub mod sysv;
pub mod timeline;
pub mod udmabuf;
pub mod verdict;
pub mod vgem;
