//! POSIX shared memory: files in `/dev/shm`, a tmpfs, found by name.
//!
//! Once open it is a file like a memfd: it can be passed on as an fd, mapped in part, and changes its size. What it lacks is
//! seals: **nothing keeps others who may write it from shrinking it**, so all accesses are guarded. And it has a name, which stays
//! when its owner is killed: see [`OwnedName`].
//!
//! ```
//! use shm_core::posix::{Create, Name, Object};
//! use shm_core::shared::Shared;
//!
//! let name = Name::new(format!("/selkie-doc-example-{}", std::process::id()))?;
//! let object = Object::create(&name, &Create::new(4096))?;
//! let owned = object.unlink_on_drop();
//! let memory = object.map()?;
//! // Another process does `Object::open(&name)?.map()?`. When it has, the name is of no more use, and can only be left behind:
//! owned.unlink()?;
//! Shared::write_at(&memory, 0, b"hello")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! See `shm_overview(7)`, `shm_open(3)`, `tmpfs(5)`.

mod error;
mod name;
mod object;

pub use error::PosixError;
pub use name::{MAX_NAME, Name, NameError};
pub use object::{Create, Object, OwnedName, unlink};
