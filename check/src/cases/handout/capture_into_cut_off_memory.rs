//! The attack with the direction turned round: the compositor writes.

use rustix::fs::SealFlags;

use crate::capture;
use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.capture-into-cut-off-memory",
    does: "Cuts the unsealed memory of a buffer to nothing, and has the output copied into it.",
    must: "The copy may fail, or the client be ended with wl_shm.invalid_fd or zwlr_screencopy_frame_v1.invalid_buffer; the compositor goes on.",
    reference: "wlr-screencopy-unstable-v1.xml, zwlr_screencopy_frame_v1.copy and failed; mmap(2), SIGBUS",
    matters: "Who guards his reads may have forgotten that there is a place where he writes.",
    danger: Some("compositors without a SIGBUS handler end"),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    done_or_refused(copy(session), &capture::not_writable())
}

fn copy(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let capture = client.capture()?;
    let bytes = capture.bytes()?;
    let memory = memory::memfd(bytes as u64, Some(SealFlags::empty()))?;
    let buffer = capture.buffer(&mut client, &memory, 0, bytes);
    client.roundtrip()?;
    if rustix::fs::ftruncate(&memory, 0).is_err() {
        return Ok("sealed by the compositor".to_owned());
    }
    let copied = client.copy(&capture, &buffer)?;
    Ok(format!("{copied:?}").to_lowercase())
}
