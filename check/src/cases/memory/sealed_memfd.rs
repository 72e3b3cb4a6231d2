//! The memory that all of this is about: what can be trusted must be taken.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.sealed-memfd",
    does: "Shows a buffer in a memfd that carries F_SEAL_SHRINK and F_SEAL_SEAL.",
    must: "The buffer is shown, whatever else the compositor refuses.",
    reference: "wayland.xml, wl_shm.create_pool; fcntl(2), File Sealing",
    matters: "It is the one kind of memory that a compositor can read without precautions; toolkits make their memory so.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory =
        memory::memfd(BYTES as u64, Some(rustix::fs::SealFlags::SHRINK | rustix::fs::SealFlags::SEAL))?;
    let mut client = session.connect()?;
    let buffer = client.square_of(memory)?;
    let window = client.window()?;
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
