//! `zwp_linux_dmabuf_v1`: pictures in dma-bufs.
//!
//! Version 6 needs a GPU to name. What a client may send is what was offered (`dmabuf_feedback`, or in events up to version
//! 3); how it is put together is the business of `dmabuf_params`.

use selkie_protocols::upstream::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_v1::{
    self, ZwpLinuxDmabufV1,
};
use wayland_server::{DisplayHandle, Resource};

use super::dmabuf_feedback::FeedbackData;
use super::dmabuf_params::ParamsData;
use super::global;
use super::surface::surface_id;
use crate::buffer::fourcc::LINEAR;
use crate::dispatch::{Ctx, Requests};
use crate::error::Outcome;
use crate::server::Server;

global!(ZwpLinuxDmabufV1, 5, |server, _client, object, init| {
    let global = init.init(object, DmabufData);
    if global.version() < 4 {
        for (fourcc, modifier) in server.dmabufs.pairs() {
            // Before version 3 nobody can say how a buffer is arranged; what is sent counts as linear.
            if global.version() >= 3 {
                global.modifier(fourcc, (modifier >> 32) as u32, modifier as u32);
            } else if modifier == LINEAR {
                global.format(fourcc);
            }
        }
    }
});

/// Advertises the global if there may be dma-bufs.
pub(crate) fn advertise_if(display: &DisplayHandle, wanted: bool) {
    if wanted {
        advertise(display);
    }
}

/// A bound `zwp_linux_dmabuf_v1`.
struct DmabufData;

impl Requests<ZwpLinuxDmabufV1> for DmabufData {
    fn request(
        &self,
        ctx: &mut Ctx<'_, '_>,
        _: &ZwpLinuxDmabufV1,
        request: zwp_linux_dmabuf_v1::Request,
    ) -> Outcome {
        use zwp_linux_dmabuf_v1::Request;
        match request {
            Request::CreateParams { params_id } => {
                ctx.init.init(params_id, ParamsData::default());
            }
            Request::GetDefaultFeedback { id } => {
                let feedback = ctx.init.init(id, FeedbackData);
                ctx.server.dmabufs.add_feedback(feedback, None);
            }
            Request::GetSurfaceFeedback { id, surface } => {
                let feedback = ctx.init.init(id, FeedbackData);
                let id = surface_id(&surface);
                ctx.server.dmabufs.add_feedback(feedback, Some(id));
                ctx.server.follow_feedback(id);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Server {
    /// The backend can pass on other dma-bufs than before, from everybody or from one surface: tells those who asked.
    ///
    /// `offer` comes before what can be composed; `None` takes back what was said before. For a surface without an
    /// offer of its own that for everybody counts.
    pub fn feedback_changed(
        &mut self,
        surface: Option<crate::surface::SurfaceId>,
        offer: Option<super::dmabuf_feedback::DmabufOffer>,
    ) {
        self.dmabufs.set_offer(surface, offer);
    }
}
