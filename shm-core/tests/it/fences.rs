//! Fences of vgem: others wait for them until they are signalled.

use shm_core::dmabuf::{Access, DmaBuf, is_signalled};
use shm_core::seals::Seals;
use shm_core::vgem::{Fence, Vgem, VgemError};

use crate::dmabuf::{had, udmabuf};
use crate::{memory, page};

/// The driver, unless this machine has none.
pub fn vgem(test: &str) -> Option<Vgem> {
    let expected = |error: &VgemError| {
        assert!(matches!(error, VgemError::None | VgemError::Open { .. }), "{error:?}");
    };
    had(test, Vgem::open().inspect_err(expected))
}

/// A dma-buf that somebody writes, if there can be one.
fn written(test: &str) -> Option<(DmaBuf, Fence)> {
    let device = udmabuf(test)?;
    let vgem = vgem(test)?;
    let buffer = device.create(&memory(page(), Seals::SHRINK), 0, page() as u64).unwrap();
    assert!(buffer.is_idle(Access::Write).unwrap());
    let fence = vgem.fence().unwrap();
    buffer.import_sync_file(fence.sync_file(), Access::Write).unwrap();
    assert!(!is_signalled(fence.sync_file()).unwrap());
    assert!(!buffer.is_idle(Access::Read).unwrap(), "readers wait for who writes");
    Some((buffer, fence))
}

#[test]
fn a_dmabuf_is_idle_when_its_fence_is_signalled() {
    let Some((buffer, fence)) = written("a fence that is signalled") else { return };
    assert!(fence.signal(), "nobody was first");
    assert!(buffer.is_idle(Access::Write).unwrap());
}

#[test]
fn a_dmabuf_is_idle_when_its_fence_is_dropped() {
    let Some((buffer, fence)) = written("a fence that is dropped") else { return };
    drop(fence);
    assert!(buffer.is_idle(Access::Write).unwrap());
}

#[test]
fn fences_of_several_dmabufs_are_signalled_one_by_one() {
    let Some((first, one)) = written("two fences") else { return };
    let Some((second, other)) = written("two fences") else { return };
    assert!(other.signal());
    assert!(second.is_idle(Access::Read).unwrap() && !first.is_idle(Access::Read).unwrap());
    assert!(one.signal() && first.is_idle(Access::Read).unwrap());
}
