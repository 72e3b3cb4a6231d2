//! Memory of a client holds more than one buffer.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.capture-stays-in-its-buffer",
    does: "Has the output copied into a buffer in the middle of a pool.",
    must: "Not a byte before or behind the buffer is changed.",
    reference: "wlr-screencopy-unstable-v1.xml, zwlr_screencopy_frame_v1.copy; wayland.xml, wl_shm_pool.create_buffer",
    matters: "What is written beside the buffer is somebody's picture, or the client's own data.",
    run,
    ..Case::DEFAULT
};

const BESIDE: usize = 8192;

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let capture = client.capture()?;
    let bytes = capture.bytes()?;
    let size = bytes.checked_add(2 * BESIDE as i32).ok_or_else(|| Stop::skip("the picture is too large"))?;
    let memory = memory::sealed(size as u64)?;
    let behind = (BESIDE as i32 + bytes) as u64;
    for at in [0, behind] {
        memory::write_pixels(&memory, at, &[0x5a5a_5a5a; BESIDE / 4])?;
    }
    let buffer = capture.buffer(&mut client, &memory, BESIDE as i32, size);
    let copied = client.copy(&capture, &buffer)?;
    for (where_, at) in [("before", 0), ("behind", behind)] {
        let mut beside = [0; BESIDE];
        rustix::io::pread(&memory, &mut beside, at).map_err(memory::cannot("read memory"))?;
        if beside != [0x5a; BESIDE] {
            return Err(Stop::fail(
                "what is beside the buffer as it was",
                format_args!("changes {where_} it"),
            ));
        }
    }
    Ok(format!("{copied:?}").to_lowercase())
}
