//! What a client's memory is: pools, buffers, and the compositor's verdict on each.

mod admit;
mod client_buffer;
mod dmabuf;
mod format;
pub mod fourcc;
mod kept;
mod layout;
mod policy;
mod pool;
mod shadow;
mod sync_point;
mod yuv;

pub use admit::{Admitted, Facts, Refusal, admit};
pub use client_buffer::{Buffer, BufferUse, Source};
pub(crate) use dmabuf::{AdmitError, DmaKey, Extent, check_linear, check_opaque, is_linear};
pub use dmabuf::{DmaImage, DmaMemory, Plane, PlaneError, Y_INVERT};
pub use format::Format;
pub(crate) use kept::{Held, Kept};
pub use layout::{Layout, LayoutError};
pub use policy::{ParsePolicyError, Policies, Policy, Treatment};
pub use pool::{Access, Path, Pool, ResizeError, SealedMemory};
pub use shadow::Shadow;
pub use sync_point::{Release, SyncPoint};
