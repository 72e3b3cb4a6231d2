//! One table is sent to all clients.

use crate::cases::prelude::*;
use crate::feedback::Feedback;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use std::os::fd::OwnedFd;

pub(super) const CASE: Case = Case {
    id: "dmabuf.feedback-table-of-others",
    does: "Tries to cut the format table off and to write into it, and asks for the feedback over another connection.",
    must: "What the other gets is as it was.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_dmabuf_feedback_v1.format_table (must not be mutated)",
    matters: "A table that any client can change ends all others that read it, with SIGBUS or with formats of its choice.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (first, before) = table(session)?;
    let cut = rustix::fs::ftruncate(&first, 0).is_ok();
    let written = rustix::io::pwrite(&first, &[0xff; 16], 0).is_ok();
    let (_, after) = table(session)?;
    if before != after {
        return Err(Stop::fail("the same table for another client", "one that this client has changed"));
    }
    Ok(if cut || written { "each has its own" } else { "it cannot be changed" }.to_owned())
}

fn table(session: &Session) -> Result<(OwnedFd, Vec<u8>), Stop> {
    let mut client = session.connect()?;
    let global: ZwpLinuxDmabufV1 = client.bind_from(4, 5)?;
    let object = client.note(global.get_default_feedback(&client.qh(), ()));
    let feedback = Feedback::first(&mut client, &object)?;
    let bytes = crate::feedback::read(&feedback.table, feedback.size)?;
    Ok((feedback.table, bytes))
}
