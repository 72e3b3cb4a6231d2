//! The copy takes a while, and the memory goes in the middle of it.

use rustix::fs::SealFlags;

use crate::capture;
use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.capture-while-memory-shrinks",
    does: "Cuts memory to nothing and gives it its size back, all the time, while the output is copied into it.",
    must: "The copy may fail, or the client be ended with wl_shm.invalid_fd or zwlr_screencopy_frame_v1.invalid_buffer; the compositor goes on.",
    reference: "wlr-screencopy-unstable-v1.xml, zwlr_screencopy_frame_v1.copy and failed; mmap(2), SIGBUS",
    matters: "A check of the size before the copy leaves a gap, and this finds it.",
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
    let mut copied = client.copy(&capture, &buffer)?;
    share::meanwhile(
        || {
            let _ = rustix::fs::ftruncate(&memory, 0);
            let _ = rustix::fs::ftruncate(&memory, bytes as u64);
        },
        5,
        || {
            let capture = client.capture()?;
            copied = client.copy(&capture, &buffer)?;
            Ok(())
        },
    )?;
    Ok(format!("{copied:?}").to_lowercase())
}
