//! The picture does not fit.

use crate::capture::{self, Copied};
use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.capture-into-smaller-buffer",
    does: "Has the output copied into a buffer of half its height.",
    must: "The client is ended with zwlr_screencopy_frame_v1.invalid_buffer, or the copy fails.",
    reference: "wlr-screencopy-unstable-v1.xml, zwlr_screencopy_frame_v1.copy and error.invalid_buffer",
    matters: "Who writes as many rows as the output has writes behind the buffer.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    done_or_refused(copy(session), &[capture::invalid_buffer()])
}

fn copy(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let mut half = client.capture()?;
    half.height /= 2;
    let bytes = half.bytes()?;
    let memory = memory::sealed(bytes as u64)?;
    let buffer = half.buffer(&mut client, memory, 0, bytes);
    match client.copy(&half, &buffer)? {
        Copied::Failed => Ok("failed".to_owned()),
        Copied::Ready => Err(Stop::fail("zwlr_screencopy_frame_v1.invalid_buffer, or failed", "ready")),
    }
}
