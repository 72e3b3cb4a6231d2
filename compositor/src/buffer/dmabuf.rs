//! A picture in dma-bufs: planes, a format and a modifier, as `zwp_linux_buffer_params_v1` names them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::Format;
use crate::client::ClientState;
use crate::geometry::Size;

/// Where one plane of a picture lies.
pub struct Plane {
    /// The dma-buf. Several planes may lie in the same one; each has an fd of its own.
    pub(crate) fd: OwnedFd,
    /// Bytes before its first row.
    pub offset: u32,
    /// Bytes from one row to the next.
    pub stride: u32,
}

impl Plane {
    /// The dma-buf, to be passed on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A picture in dma-bufs, accepted as a `wl_buffer`.
pub struct DmaImage {
    pub(crate) client: Arc<ClientState>,
    pub(crate) size: Size,
    pub(crate) fourcc: u32,
    pub(crate) modifier: u64,
    pub(crate) flags: u32,
    pub(crate) planes: Vec<Plane>,
}

impl DmaImage {
    /// Whose it is.
    pub fn client(&self) -> &Arc<ClientState> {
        &self.client
    }

    /// Its width and height in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Its format: a `DRM_FORMAT_*` of drm_fourcc.h.
    pub fn fourcc(&self) -> u32 {
        self.fourcc
    }

    /// How its pixels are arranged: a `DRM_FORMAT_MOD_*` of drm_fourcc.h, the same for all planes.
    pub fn modifier(&self) -> u64 {
        self.modifier
    }

    /// `zwp_linux_buffer_params_v1.flags`.
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Its planes, in their order.
    pub fn planes(&self) -> &[Plane] {
        &self.planes
    }

    /// What its pixels are converted to where they cannot be drawn as they are.
    pub fn drawn_as(&self) -> Format {
        Format::XRGB8888
    }
}
