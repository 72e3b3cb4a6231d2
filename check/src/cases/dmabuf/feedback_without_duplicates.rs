//! What is offered twice is offered with two preferences.

use crate::cases::prelude::*;
use crate::feedback::Feedback;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;

pub(super) const CASE: Case = Case {
    id: "dmabuf.feedback-without-duplicates",
    does: "Asks for the default feedback, and compares the pairs of format and modifier in each tranche.",
    must: "No pair is there twice.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_dmabuf_feedback_v1.tranche_formats",
    matters: "Clients keep a list of the modifiers, and drivers refuse one in which there is one twice.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let global: ZwpLinuxDmabufV1 = client.bind_from(4, 5)?;
    let object = client.note(global.get_default_feedback(&client.qh(), ()));
    for tranche in Feedback::first(&mut client, &object)?.tranches {
        let mut pairs = tranche.pairs;
        pairs.sort_unstable();
        if let Some([twice, _]) = pairs.windows(2).find(|two| two.first() == two.last()) {
            return Err(Stop::fail("each pair once", format_args!("{twice:x?} twice")));
        }
    }
    Ok("each once".to_owned())
}
