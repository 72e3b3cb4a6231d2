//! A buffer of nothing.

use crate::cases::prelude::*;
use crate::dmabufs::XR24;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.no-planes",
    does: "Creates a buffer of parameters without a plane.",
    must: "The parameters are answered with failed, or the client is ended with incomplete, whether it asks by create or create_immed.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create, incomplete",
    matters: "The first plane is the one that everybody looks at without asking whether it is there.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_make_nothing(&[], (SIDE, SIDE), XR24, &[Error::Incomplete])
}
