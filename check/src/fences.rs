//! Fences that are out for as long as a case wants: the client's drawing into a dma-buf goes on.

use std::os::fd::OwnedFd;

use shm_core::dmabuf::{Access, DmaBuf, is_signalled};
use shm_core::vgem::{Fence, Vgem};

use crate::case::Stop;
use crate::memory::cannot;

/// Somebody who draws, and takes his time.
#[derive(Debug)]
pub struct Drawing {
    fence: Fence,
}

impl Drawing {
    /// Begins to draw into a dma-buf.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] where there is no driver that makes such fences.
    pub fn begin(dmabuf: &OwnedFd) -> Result<Drawing, Stop> {
        let vgem = Vgem::open().map_err(cannot("hold a fence"))?;
        let fd = dmabuf.try_clone().map_err(cannot("copy an fd"))?;
        let dmabuf = DmaBuf::new(fd).map_err(cannot("hold a fence"))?;
        let fence = vgem.fence().map_err(cannot("hold a fence"))?;
        dmabuf.import_sync_file(fence.sync_file(), Access::Write).map_err(cannot("hold a fence"))?;
        Ok(Drawing { fence })
    }

    /// Fails if it is over, which only the kernel can have seen to: what was done meanwhile has been waiting for it.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] then.
    pub fn goes_on(&self, meanwhile: &str) -> Result<(), Stop> {
        match is_signalled(self.fence.sync_file()) {
            Ok(false) => Ok(()),
            Ok(true) => {
                Err(Stop::fail(format_args!("{meanwhile} at once"), "it when the fence had timed out"))
            }
            Err(error) => Err(cannot("look at a fence")(error)),
        }
    }

    /// It is done.
    pub fn end(self) {
        self.fence.signal();
    }
}
