//! The compositor says what memory it wants to write to, and the client makes it so.

use selkie_protocols::wayland_client::WEnum;
use wl_shm::Format;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.capture-buffer",
    does: "Asks for a picture of the output, and makes and hands over a buffer exactly as it was asked for.",
    must: "Its rows do not overlap, wl_shm offers its format and takes it, and the picture is copied, or the copy fails.",
    reference: "wlr-screencopy-unstable-v1.xml, zwlr_screencopy_frame_v1.buffer",
    matters: "A client allocates what it is told; a stride that is too small makes it read the wrong pixels, or beyond its memory.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let capture = client.capture()?;
    let shape =
        format!("{}x{}, {} bytes a row, {:?}", capture.width, capture.height, capture.stride, capture.format);
    // The two formats of wl_shm's own, and others of 32 bits; what is narrower is not looked at.
    let wide = [Format::Argb8888, Format::Xrgb8888, Format::Abgr8888, Format::Xbgr8888];
    let rows = !wide.contains(&capture.format) || capture.stride / 4 >= capture.width;
    if capture.width <= 0 || capture.height <= 0 || !rows {
        return Err(Stop::fail("a buffer that can be", shape));
    }
    let offered = client.of(&capture.shm).into_iter().any(|event| match event {
        wl_shm::Event::Format { format: WEnum::Value(format) } => *format == capture.format,
        _ => false,
    });
    if !offered {
        return Err(Stop::fail("a format that wl_shm offers", shape));
    }
    let bytes = capture.bytes()?;
    let memory = memory::sealed(bytes as u64)?;
    let buffer = capture.buffer(&mut client, memory, 0, bytes);
    let copied = client.copy(&capture, &buffer)?;
    Ok(format!("{copied:?}: {shape}").to_lowercase())
}
