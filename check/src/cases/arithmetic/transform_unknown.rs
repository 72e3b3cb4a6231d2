//! There are eight ways to turn a picture, 0 to 7.

use selkie_protocols::wayland_client::protocol::wl_surface;
use selkie_protocols::wayland_client::{Proxy, WEnum};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.transform-unknown",
    does: "Sets transforms 8, 2147483648 and 4294967295, each over a connection of its own.",
    must: "Each client is ended with wl_surface.invalid_transform.",
    reference: "wayland.xml, wl_surface.set_buffer_transform",
    matters: "Transforms are looked up in tables of eight.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    for number in [8, 0x8000_0000, u32::MAX] {
        let mut client = session.connect()?;
        let (window, _) = client.shown_window()?;
        let transform = WEnum::Unknown(number);
        let sent = window.surface.send_request(wl_surface::Request::SetBufferTransform { transform });
        sent.map_err(|error| Stop::fail("a surface", error))?;
        client.must_be_refused(&[Refusal::new(&["wl_surface"], wl_surface::Error::InvalidTransform)])?;
    }
    Ok("refused: wl_surface.invalid_transform".to_owned())
}
