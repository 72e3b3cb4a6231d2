//! Old clients are told by events what new ones read in a table.

use crate::cases::prelude::*;
use crate::feedback::Feedback;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::Event;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;

pub(super) const CASE: Case = Case {
    id: "dmabuf.feedback-as-in-version-3",
    does: "Binds the global in versions 3 and 4, and compares what is offered.",
    must: "Both are offered the same formats and modifiers; version 4 gets no events of the old kind.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_dmabuf_v1.format, modifier (deprecated since 4)",
    matters: "A format that only one kind of client is told of is tested by nobody.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let new: ZwpLinuxDmabufV1 = client.bind_from(4, 4)?;
    let old: ZwpLinuxDmabufV1 = client.bind_from(3, 3)?;
    let object = client.note(new.get_default_feedback(&client.qh(), ()));
    let feedback = Feedback::first(&mut client, &object)?;
    if !client.of(&new).is_empty() {
        return Err(Stop::fail("no format and modifier events in version 4", "some"));
    }
    let mut pairs = Vec::new();
    for event in client.of(&old) {
        if let Event::Modifier { format, modifier_hi, modifier_lo } = event {
            pairs.push((*format, u64::from(*modifier_hi) << 32 | u64::from(*modifier_lo)));
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    if pairs != feedback.pairs() {
        let got = format!("{} in version 3, {} in the feedback", pairs.len(), feedback.pairs().len());
        return Err(Stop::fail("the same formats and modifiers in both", got));
    }
    Ok(format!("{} formats and modifiers", pairs.len()))
}
