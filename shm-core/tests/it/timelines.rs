//! Timelines, and dma-bufs' fences on them.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use shm_core::dmabuf::is_signalled;
use shm_core::seals::Seals;
use shm_core::timeline::{Device, Timeline, TimelineError};

use crate::dmabuf::{had, required};
use crate::fences::vgem;
use crate::{memory, page, skip};

fn device(test: &str) -> Option<Arc<Device>> {
    had(test, Device::open())
}

fn is_readable(fd: &OwnedFd) -> bool {
    is_signalled(fd.as_fd()).unwrap()
}

/// What the kernel said.
fn errno(error: &TimelineError) -> Option<Errno> {
    let TimelineError::Refused { source, .. } = error else { return None };
    Errno::from_io_error(source)
}

#[test]
fn a_point_signals_all_before_it_and_everybody_sees_that_beside_a_dmabuf() {
    let Some(device) = device("a timeline of two processes") else { return };
    let ours = Timeline::new(&device).unwrap();
    // Another file of the device is as good as another process: handles belong to files.
    let other = Device::open().unwrap();
    let theirs = Timeline::import(&other, ours.fd().unwrap().as_fd()).unwrap();
    assert_eq!((ours.reached().unwrap(), theirs.reached().unwrap()), (0, 0));
    ours.signal(5).unwrap();
    assert_eq!(theirs.reached().unwrap(), 5);
    theirs.signal(u64::MAX).unwrap();
    assert_eq!(ours.reached().unwrap(), u64::MAX);
}

#[test]
fn a_notice_comes_with_its_point_beside_a_dmabuf() {
    let Some(device) = device("a notice") else { return };
    if !device.can_notice() {
        assert!(!required(), "the kernel of the guest tells");
        return skip("a notice", "this kernel does not tell of every point");
    }
    let timeline = Timeline::new(&device).unwrap();
    let [first, third] = [1, 3].map(|point| timeline.notice(point).unwrap());
    assert!(!is_readable(&first) && !is_readable(&third));
    timeline.signal(2).unwrap();
    assert!(is_readable(&first) && !is_readable(&third));
    timeline.signal(3).unwrap();
    assert!(is_readable(&third));
    assert!(is_readable(&timeline.notice(1).unwrap()), "what is over is told at once");
}

#[test]
fn a_point_waits_for_every_fence_of_dmabufs() {
    let Some(device) = device("a point after fences") else { return };
    let Some(vgem) = vgem("a point after fences") else { return };
    let timeline = Timeline::new(&device).unwrap();
    let fences = [vgem.fence().unwrap(), vgem.fence().unwrap()];
    timeline.signal_after(7, &fences.each_ref().map(|fence| fence.sync_file())).unwrap();
    let [first, second] = fences;
    assert!(second.signal());
    assert_eq!(timeline.reached().unwrap(), 0);
    assert!(first.signal());
    assert_eq!(timeline.reached().unwrap(), 7);
}

#[test]
fn a_point_after_one_fence_of_a_dmabuf_or_none() {
    let Some(device) = device("a point after a fence") else { return };
    let Some(vgem) = vgem("a point after a fence") else { return };
    let fence = vgem.fence().unwrap();
    let timeline = Timeline::new(&device).unwrap();
    timeline.signal_after(1, &[fence.sync_file()]).unwrap();
    assert_eq!(timeline.reached().unwrap(), 0);
    assert!(fence.signal());
    assert_eq!(timeline.reached().unwrap(), 1);
    timeline.signal_after::<OwnedFd>(2, &[]).unwrap();
    assert_eq!(timeline.reached().unwrap(), 2);
}

#[test]
fn what_is_no_timeline_is_refused_and_so_is_what_is_no_fence_of_a_dmabuf() {
    let Some(device) = device("a memfd for a timeline") else { return };
    let memfd = memory(page(), Seals::SHRINK);
    assert_eq!(errno(&Timeline::import(&device, memfd.as_fd()).unwrap_err()), Some(Errno::INVAL));
    let timeline = Timeline::new(&device).unwrap();
    let error = timeline.signal_after(1, &[memfd.as_fd()]).unwrap_err();
    assert_eq!(errno(&error), Some(Errno::INVAL));
    assert_eq!(timeline.reached().unwrap(), 0);
}
