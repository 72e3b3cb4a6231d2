//! Nothing, and less than nothing.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE, XR24};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.no-size",
    does: "Creates buffers of 0 by 64, 64 by -1 and -2147483648 by -2147483648 pixels.",
    must: "The parameters are answered with failed, or the client is ended with invalid_dimensions, whether it asks by create or create_immed.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create, invalid_dimensions",
    matters: "A negative height times a stride is a small number, and passes many a check.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    for size in [(0, SIDE), (SIDE, -1), (i32::MIN, i32::MIN)] {
        session.must_make_nothing(&[(&fd, 0, STRIDE)], size, XR24, &[Error::InvalidDimensions])?;
    }
    Ok("refused".to_owned())
}
