//! Feedback for a surface outlives it, and says nothing more then.

use crate::cases::prelude::*;
use crate::feedback::Feedback;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;

pub(super) const CASE: Case = Case {
    id: "dmabuf.feedback-of-a-surface",
    does: "Asks for the feedback of a surface, and destroys the surface before the feedback.",
    must: "The feedback is complete; the compositor goes on.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_dmabuf_v1.get_surface_feedback",
    matters: "What is told of changes has to forget the surface first.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let global: ZwpLinuxDmabufV1 = client.bind_from(4, 5)?;
    let compositor: WlCompositor = client.bind(4)?;
    let surface = client.note(compositor.create_surface(&client.qh(), ()));
    let object = client.note(global.get_surface_feedback(&surface, &client.qh(), ()));
    let pairs = Feedback::first(&mut client, &object)?.pairs().len();
    surface.destroy();
    client.must_be_accepted()?;
    object.destroy();
    client.must_be_accepted()?;
    Ok(format!("{pairs} formats and modifiers"))
}
