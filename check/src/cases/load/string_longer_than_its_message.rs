//! A string says its own length inside of a message that says another.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.string-longer-than-its-message",
    does: "Binds a global with an interface name that claims to be four gigabytes long.",
    must: SERVED,
    reference: "wayland-book, Wire protocol",
    matters: "A decoder that believes the inner length reads what does not belong to the message.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        wire.patience = session.seconds(1);
        // wl_registry.bind: name, interface, version, number.
        let mut bytes = wire::message(2, 0, &[Arg::Uint(1), Arg::Str("wl_shm"), Arg::Uint(1), Arg::Uint(3)]);
        if let Some(length) = bytes.get_mut(12..16) {
            length.copy_from_slice(&0xffff_fff0_u32.to_ne_bytes());
        }
        wire.push(&bytes)
    })
}
