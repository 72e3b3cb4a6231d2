//! Behind a file there may be a program, and it need not answer.

use crate::cases::prelude::*;
use crate::fuse;

pub(super) const CASE: Case = Case {
    id: "memory.file-of-a-silent-owner",
    does: "Shows a buffer in a file on FUSE whose owner answers no question, until others have been served.",
    must: "Others are served; the client may wait, or be ended with wl_shm.invalid_fd.",
    reference: "fuse(4); stat(2), mmap(2) and close(2), which wait for the owner; wayland.xml, wl_shm.error.invalid_fd",
    matters: "Anybody may mount such a file system, and a single question about the file stops a compositor for ever.",
    danger: Some("all compositors but selkie that were tried stand still until the owner is gone"),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    // Whoever waits is let go when the owner is dropped.
    let (_owner, file) = fuse::unanswered()?;
    let mut client = session.connect()?;
    let window = client.window()?;
    let buffer = client.square_of(&file)?;
    client.submit(&window.surface, &buffer);
    client.flush()?;
    drop(file);
    match serve_another(session) {
        Ok(()) => {}
        Err(Stop::Hang(_)) => {
            return Err(Stop::fail("service for others", "none while the file's owner does not answer"));
        }
        Err(other) => return Err(other),
    }
    let done = match client.roundtrip() {
        Ok(()) => Ok("went on".to_owned()),
        Err(Stop::Hang(_)) => Ok("this client alone waits".to_owned()),
        Err(ended) => Err(ended),
    };
    done_or_refused(done, &share::invalid_fd())
}

/// Another client, for long enough that the whole screen has been drawn.
fn serve_another(session: &Session) -> Result<(), Stop> {
    let mut other = session.connect()?;
    let (window, buffer) = other.shown_window()?;
    (0..30).try_for_each(|_| other.present(&window.surface, &buffer))
}
