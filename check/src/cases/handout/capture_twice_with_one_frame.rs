//! A frame is good for one copy.

use selkie_protocols::wlr::screencopy::v1::client::zwlr_screencopy_frame_v1::Error;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.capture-twice-with-one-frame",
    does: "Asks for two copies of one frame, into two buffers, at once.",
    must: "The client is ended with zwlr_screencopy_frame_v1.already_used.",
    reference: "wlr-screencopy-unstable-v1.xml, zwlr_screencopy_frame_v1.error.already_used",
    matters: "The second buffer takes the place of the first, or is forgotten, while the compositor still writes.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let capture = client.capture()?;
    let bytes = capture.bytes()?;
    let memory = memory::sealed(bytes as u64)?;
    let first = capture.buffer(&mut client, &memory, 0, bytes);
    let second = capture.buffer(&mut client, &memory, 0, bytes);
    capture.frame.copy(&first);
    capture.frame.copy(&second);
    client.must_be_refused(&[Refusal::new(&["zwlr_screencopy_frame_v1"], Error::AlreadyUsed)])
}
