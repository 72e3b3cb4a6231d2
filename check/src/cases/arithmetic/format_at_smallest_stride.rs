//! What is offered must work, and with no more memory than its pixels need.

use crate::numbers::pixel_bytes;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.format-at-smallest-stride",
    does: "Shows a buffer of each packed format that is offered, with the smallest stride, which ends with its pool.",
    must: "Each of them is shown.",
    reference: "wayland.xml, wl_shm.format, wl_shm_pool.create_buffer",
    matters: "A table with a wrong size of a pixel reads behind the pool, or refuses what was offered.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let offered = client.formats()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let mut count = 0;
    for format in offered {
        // Others have several planes, or pixels that share bytes.
        let Some(bytes) = pixel_bytes(format) else { continue };
        let size = 16 * 16 * bytes;
        let memory = memory::sealed(size.unsigned_abs().into())?;
        let pool = client.pool(&shm, &memory, size);
        let buffer = client.buffer_of(&pool, (0, 16, 16, 16 * bytes), format);
        client.present(&window.surface, &buffer).map_err(|stop| match stop {
            Stop::Ended(ended) => Stop::fail(format_args!("format {format:#x} to be shown"), ended),
            other => other,
        })?;
        count += 1;
    }
    Ok(format!("{count} formats"))
}
