//! Formats of every size, each of which some compositor does not know.

use selkie_protocols::wayland_client::protocol::wl_shm::Format;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.format-not-offered",
    does: "Creates, each over a connection of its own, buffers of all those among fourteen formats that were not offered.",
    must: "Each client is ended with wl_shm.invalid_format.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_format",
    matters: "Pixels are not always four bytes, so a format that is taken for another is read with the wrong sums.",
    run,
    ..Case::DEFAULT
};

/// One byte a pixel and less, two, three, eight; several planes; and compressed.
const FORMATS: [u32; 14] = [
    Format::C8 as u32,
    Format::R8 as u32,
    Format::Rgb332 as u32,
    Format::Xrgb4444 as u32,
    Format::Argb1555 as u32,
    Format::Rgb565 as u32,
    Format::Rgb888 as u32,
    Format::Argb2101010 as u32,
    Format::Rgba8888 as u32,
    Format::Xrgb16161616f as u32,
    Format::Nv12 as u32,
    Format::Yuv444 as u32,
    Format::Yuyv as u32,
    Format::Yuv4208bit as u32,
];

fn run(session: &Session) -> Outcome {
    let offered = session.connect()?.formats()?;
    let others = FORMATS.iter().filter(|format| !offered.contains(format));
    let mut count = 0;
    for format in others {
        session.must_refuse_number(*format)?;
        count += 1;
    }
    Ok(format!("refused {count}"))
}
