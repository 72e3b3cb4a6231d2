//! A client may change its mind.

use crate::cases::prelude::*;
use crate::dmabufs::{self, LINEAR, STRIDE};

pub(super) const CASE: Case = Case {
    id: "dmabuf.parameters-cancelled",
    does: "Adds four planes to each of 100 parameters, and destroys these without asking for a buffer.",
    must: "Nothing comes of it, and no fd is kept.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.destroy",
    matters: "Four fds for each that is forgotten: a browser that tries formats uses a compositor up in an hour.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    let planes = [(&fd, 0, STRIDE); 4];
    let mut dmabufs = session.dmabufs()?;
    for _ in 0..20 {
        for _ in 0..5 {
            dmabufs.params(&planes, LINEAR).destroy();
        }
        dmabufs.client.must_be_accepted()?;
    }
    Ok("accepted".to_owned())
}
