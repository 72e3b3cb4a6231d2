//! A buffer that is destroyed gives its number back.

use selkie_protocols::wayland_client::Proxy;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.buffer-numbers-are-free-again",
    does: "Makes and destroys 64 buffers, shown or not, three times over.",
    must: "Their object numbers are used again.",
    reference: "wayland.xml, wl_display.delete_id",
    matters: "A client that resizes for a while makes thousands of them.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let window = client.window()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let memory = memory::sealed(BYTES as u64)?;
    let pool = client.pool(&shm, &memory, BYTES);
    let mut highest = Vec::new();
    for _ in 0..3 {
        let buffers: Vec<_> = (0..64).map(|_| client.buffer(&pool, SIDE, SIDE)).collect();
        highest.push(buffers.iter().map(|buffer| buffer.id().protocol_id()).max().unwrap_or(0));
        if let Some(shown) = buffers.first() {
            client.present(&window.surface, shown)?;
        }
        buffers.iter().for_each(|buffer| buffer.destroy());
        client.settle()?;
    }
    match highest[..] {
        [first, _, last] if last >= first + 64 => {
            Err(Stop::fail(format_args!("numbers up to {first}"), format_args!("numbers up to {last}")))
        }
        _ => Ok("used again".to_owned()),
    }
}
