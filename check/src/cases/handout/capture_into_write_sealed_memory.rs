//! Good to be shown from, and no good to be written to.

use rustix::fs::SealFlags;

use crate::capture::{self, Copied};
use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.capture-into-write-sealed-memory",
    does: "Has the output copied into memory that carries F_SEAL_WRITE.",
    must: "The copy fails, or the client is ended with wl_shm.invalid_fd or zwlr_screencopy_frame_v1.invalid_buffer.",
    reference: "wlr-screencopy-unstable-v1.xml, zwlr_screencopy_frame_v1.copy and failed; fcntl(2), F_SEAL_WRITE; open(2), O_RDONLY",
    matters: "A compositor that maps clients' memory for reading only has to think of this; one that writes all the same gets SIGSEGV, or writes nowhere.",
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
    let memory = memory::memfd(bytes as u64, Some(SealFlags::SHRINK | SealFlags::WRITE))?;
    let buffer = capture.buffer(&mut client, memory, 0, bytes);
    let copied = client.copy(&capture, &buffer)?;
    match copied {
        Copied::Failed => Ok("failed".to_owned()),
        Copied::Ready => Err(Stop::fail("a copy that fails", "ready, and nothing can be in it")),
    }
}
