//! Since version 7 of the seat a client has to map it privately; before, nobody had said so.

use std::os::fd::AsFd;

use shm_core::mapping::{Guarded, MapError, Mapping};
use shm_core::verdict::Unusable;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.keymap-shared-for-old-clients",
    does: "Binds wl_seat in version 6, takes a keymap, and maps it shared and for reading.",
    must: "The mapping succeeds.",
    reference: "wayland.xml, wl_keyboard.keymap, from version 7 onwards",
    matters: "Older clients do this, and have no keyboard where it fails.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let seat = client.seat(6)?;
    let keymap = client.keymap(&seat)?;
    match Mapping::<Guarded>::new(keymap.fd.as_fd(), keymap.size.into()) {
        Ok(_) => Ok("mapped".to_owned()),
        Err(why @ MapError::Unusable { why: Unusable::Remote { .. } }) => Err(Stop::skip(why)),
        Err(why) => Err(Stop::fail("memory that can be mapped", why)),
    }
}
