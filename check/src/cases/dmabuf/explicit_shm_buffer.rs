//! Shared memory has no fences, but a commit of it may have points.

use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_surface_v1::Error;

use crate::frames::{FIRST, SECOND};
use crate::timelines::refusal;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-shm-buffer",
    does: "Commits a buffer of shared memory with an acquire and a release point, and another one after it.",
    must: "The client is ended with unsupported_buffer; or the first is shown, and its release point signalled.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_surface_v1: \"Compositors are free to support explicit \
                synchronization for additional buffer types\"",
    matters: "A client whose buffer is taken, but whose point is forgotten, waits for its buffer for ever.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut explicit = session.explicit()?;
    let client = &mut explicit.dmabufs.client;
    let (first, second) = (client.painted(FIRST)?, client.painted(SECOND)?);
    let mut show = || {
        explicit.present(&first.buffer, 1)?;
        explicit.present(&second.buffer, 2)?;
        explicit.wait_for_release(1)?;
        Ok("shown, and released".to_owned())
    };
    done_or_refused(show(), &[refusal(Error::UnsupportedBuffer)])
}
