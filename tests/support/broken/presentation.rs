//! wp_presentation: a commit is presented when it is made.

use selkie_protocols::upstream::wp::presentation_time::server::{wp_presentation, wp_presentation_feedback};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::{Handle, State};

pub fn globals(handle: &Handle) {
    handle.create_global::<State, wp_presentation::WpPresentation, ()>(1, ());
}

/// Says that a commit is on the screen.
pub fn present(feedback: &wp_presentation_feedback::WpPresentationFeedback) {
    feedback.presented(0, 0, 0, 0, 0, 0, wp_presentation_feedback::Kind::empty());
}

impl GlobalDispatch<wp_presentation::WpPresentation, ()> for State {
    fn bind(
        _: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<wp_presentation::WpPresentation>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(new, ()).clock_id(1);
    }
}

impl Dispatch<wp_presentation::WpPresentation, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &wp_presentation::WpPresentation,
        request: wp_presentation::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wp_presentation::Request::Feedback { surface, callback } = request {
            state.record();
            let feedback = init.init(callback, ());
            let only_one = state.has("presents-one");
            if let Some(known) = state.surfaces.get_mut(&surface.id())
                && (!only_one || known.pending.feedback.is_empty())
            {
                known.pending.feedback.push(feedback);
            }
        }
    }
}

impl Dispatch<wp_presentation_feedback::WpPresentationFeedback, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &wp_presentation_feedback::WpPresentationFeedback,
        _: wp_presentation_feedback::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}
