//! What a client's memory is: pools, buffers, and the compositor's verdict on each.

mod admit;
mod client_buffer;
mod dmabuf;
mod format;
mod kept;
mod layout;
mod policy;
mod pool;
mod shadow;

pub use admit::{Admitted, Facts, Refusal, admit};
pub use client_buffer::{Buffer, BufferUse, Source};
pub use dmabuf::{DmaImage, Plane};
pub use format::Format;
pub(crate) use kept::{Held, Kept};
pub use layout::{Layout, LayoutError};
pub use policy::{ParsePolicyError, Policies, Policy};
pub use pool::{Access, Path, Pool, ResizeError, SealedMemory};
pub use shadow::Shadow;
