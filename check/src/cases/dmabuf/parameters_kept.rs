//! And one may never make up its mind.

use crate::cases::prelude::*;
use crate::dmabufs::{self, LINEAR, STRIDE};

pub(super) const CASE: Case = Case {
    id: "dmabuf.parameters-kept",
    does: "Adds four planes to each of 100 parameters, and leaves them; an ordinary client shows frames meanwhile.",
    must: "The client may be ended with any error; the other is served, and nothing is kept of the first.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.add; getrlimit(2), RLIMIT_NOFILE",
    matters: "Each plane is an fd of the compositor's that counts as no buffer and no pool.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    let planes = [(&fd, 0, STRIDE); 4];
    let mut dmabufs = session.dmabufs()?;
    let mut bystander = session.bystander()?;
    let outcome = bystander.beside(|| {
        for _ in 0..100 {
            dmabufs.params(&planes, LINEAR);
            dmabufs.client.flush()?;
        }
        dmabufs.client.roundtrip()
    })?;
    bystander.is_served()?;
    drop(dmabufs);
    bystander.is_served()?;
    outcome
}
