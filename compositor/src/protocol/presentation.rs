//! `wp_presentation`: when, and how, content turned to light.

use selkie_protocols::upstream::wp::presentation_time::server::wp_presentation::{self, WpPresentation};
use selkie_protocols::upstream::wp::presentation_time::server::wp_presentation_feedback::{
    self, WpPresentationFeedback,
};

use super::global;
use super::surface::surface_id;
use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};

global!(WpPresentation, 1, |server, _client, object, init| {
    let presentation = init.init(object, PresentationData);
    presentation.clock_id(server.backend.clock_id());
});

/// A bound `wp_presentation`.
struct PresentationData;

impl Requests<WpPresentation> for PresentationData {
    fn request(
        &self,
        ctx: &mut Ctx<'_, '_>,
        _: &WpPresentation,
        request: wp_presentation::Request,
    ) -> Outcome {
        let wp_presentation::Request::Feedback { surface, callback } = request else { return Ok(()) };
        let id = surface_id(&surface);
        let feedback = ctx.init.init(callback, FeedbackData);
        let Some(surface) = ctx.server.surfaces.get_mut(id) else { return Ok(()) };
        let limit = surface.client.limits.callbacks;
        if surface.waiting_feedback() >= limit {
            let message = format!("more than {limit} presentation feedbacks wait on a surface");
            return Err(ProtocolError::no_memory(message));
        }
        surface.pending.feedback.push(feedback);
        Ok(())
    }
}

/// A feedback has no requests.
struct FeedbackData;

impl Requests<WpPresentationFeedback> for FeedbackData {
    fn request(
        &self,
        _: &mut Ctx<'_, '_>,
        _: &WpPresentationFeedback,
        _: wp_presentation_feedback::Request,
    ) -> Outcome {
        Ok(())
    }
}
