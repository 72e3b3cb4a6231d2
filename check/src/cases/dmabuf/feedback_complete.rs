//! Feedback is a small language of its own, and clients crash on what is not in it.

use crate::cases::prelude::*;
use crate::feedback::Feedback;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;

pub(super) const CASE: Case = Case {
    id: "dmabuf.feedback-complete",
    does: "Asks for the default feedback.",
    must: "It is a table, one main device, tranches of one device, one set of flags and formats each, and done; the indices are in the table.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_dmabuf_feedback_v1",
    matters: "Mesa and others read the table by these indices without looking twice.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let global: ZwpLinuxDmabufV1 = client.bind_from(4, 5)?;
    let object = client.note(global.get_default_feedback(&client.qh(), ()));
    let feedback = Feedback::first(&mut client, &object)?;
    let device = size_of::<u64>();
    if feedback.main.len() != 1 || feedback.main.iter().any(|bytes| bytes.len() != device) {
        return Err(Stop::fail("one main device, of 8 bytes", format_args!("{:?}", feedback.main)));
    }
    if feedback.tranches.is_empty() || feedback.size % 16 != 0 {
        let got = format!("{} tranches, {} bytes", feedback.tranches.len(), feedback.size);
        return Err(Stop::fail("a tranche, and a table of entries of 16 bytes", got));
    }
    for tranche in &feedback.tranches {
        let devices: Vec<usize> = tranche.devices.iter().map(Vec::len).collect();
        if devices != [device] || tranche.flags != 1 {
            let got = format!("{:?} and {}", tranche.devices, tranche.flags);
            return Err(Stop::fail("one target device of 8 bytes, and flags once", got));
        }
    }
    Ok(format!("{} formats and modifiers", feedback.pairs().len()))
}
