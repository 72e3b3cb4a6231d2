//! The client asks for nothing; somebody else has the screen drawn again.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;
use crate::expect::unexpected;

pub(super) const CASE: Case = Case {
    id: "memory.shrink-while-shown",
    does: "Shows a window, cuts its memory to nothing, and has another client show a large translucent window twice.",
    must: "The client may be ended with wl_shm.invalid_fd, at the pool's creation or at the fault; the compositor goes on.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), SIGBUS",
    matters: "The fault comes in the middle of another client's frame, and must not be put down to that client.",
    danger: Some("compositors without a SIGBUS handler end"),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    done_or_refused(shrink(session), &share::invalid_fd())
}

fn shrink(session: &Session) -> Outcome {
    let memory = memory::memfd(BYTES as u64, Some(SealFlags::empty()))?;
    let mut client = session.connect()?;
    let window = client.window()?;
    let buffer = client.square_of(&memory)?;
    client.present(&window.surface, &buffer)?;
    if rustix::fs::ftruncate(&memory, 0).is_err() {
        return Ok("sealed by the compositor".to_owned());
    }
    show_glass(session).map_err(unexpected)?;
    client.roundtrip()?;
    Ok("went on".to_owned())
}

/// A window that covers most screens, and through which all that is behind it is seen.
fn show_glass(session: &Session) -> Result<(), Stop> {
    let (width, height) = (1600, 1000);
    let memory = memory::sealed(1600 * 1000 * 4)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, memory, width * height * 4);
    let buffer = client.buffer_at(&pool, (0, width, height, width * 4), wl_shm::Format::Argb8888);
    client.present(&window.surface, &buffer)?;
    client.present(&window.surface, &buffer)
}
