//! A buffer whose release point is signalled is read no more: the client writes into it at once.

use crate::frames::{self, FIRST, STAMP};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-released-early",
    does: "Shows a dma-buf, overwrites it if its release point is signalled while it is shown, and looks at the output.",
    must: "What is overwritten is never on the output.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_surface_v1.set_release_point: \"signal when it has finished its \
                usage of the buffer\"",
    matters: "The picture tears: parts of it are the next frame, or nonsense.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut explicit = session.explicit()?;
    let (buffer, _, pages) = explicit.dmabufs.square()?;
    let camera = explicit.dmabufs.client.screenshots()?;
    frames::paint(&pages, FIRST)?;
    let last = explicit.must_see(&buffer, FIRST)?;
    if explicit.released()? < last {
        return Ok("not released while it is shown".to_owned());
    }
    frames::paint(&pages, STAMP)?;
    for _ in 0..3 {
        explicit.window.surface.damage(0, 0, SIDE, SIDE);
        explicit.window.surface.commit();
        let picture = camera.take(&mut explicit.dmabufs.client)?;
        if picture.count(STAMP) > 0 || picture.count(FIRST) == 0 {
            return Err(Stop::fail("what was committed", "what the client wrote after the release"));
        }
    }
    Ok("released while it is shown, and not read again".to_owned())
}
