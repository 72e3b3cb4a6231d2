//! What a client's memory is: pools, buffers, and the compositor's verdict on each.

mod admit;
mod client_buffer;
mod format;
mod policy;
mod pool;
mod shadow;

pub use admit::{Admitted, Facts, Refusal, admit};
pub use client_buffer::{Buffer, BufferUse, Layout, LayoutError};
pub use format::Format;
pub use policy::{ParsePolicyError, Policies, Policy};
pub use pool::{Access, Path, Pool, ResizeError};
pub use shadow::Shadow;
