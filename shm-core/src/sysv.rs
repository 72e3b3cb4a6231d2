//! System V shared memory: segments that the kernel keeps under a number, whether anybody uses them or not.
//!
//! The oldest of the four, and the only one without a file: no fd, hence nothing to pass on, to seal, to map in part or to watch;
//! a segment is found by its [`Key`] or its id, and used by whoever its mode lets in. It never changes its size.
//!
//! ```
//! use shm_core::shared::Shared;
//! use shm_core::sysv::{Create, Key, Segment};
//!
//! let segment = Segment::create(Key::PRIVATE, &Create::new(4096))?.remove_on_drop();
//! let memory = segment.attach()?;
//! // Another process does the same with `Segment::from_id(id)`.
//! memory.write_at(0, b"hello")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A segment outlives whoever made it. [`Segment::remove`] marks it, and it goes with the last attachment; who is killed
//! before that leaves it behind, and `ipcs -m` shows it with nobody attached.
//!
//! Everything is per IPC namespace: a container sees none of the segments outside (`ipc_namespaces(7)`).
//!
//! See `sysvipc(7)`, `shmget(2)`, `shmop(2)`, `shmctl(2)`, `ftok(3)`.

mod attach;
mod error;
mod key;
mod limits;
mod segment;

pub use attach::{Attachment, Place, ReadAttachment, Reservation, lba};
pub use error::{SysvError, Which};
pub use key::{Key, KeyError};
pub use limits::{Limits, LimitsError, Usage};
pub use segment::{Create, Huge, OwnedSegment, Permissions, Segment, Stat};
