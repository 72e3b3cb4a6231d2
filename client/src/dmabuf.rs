//! The conversation about dma-bufs: what the compositor offers, and which buffers it takes.
//!
//! Buffers are made with `create`, which may fail and say so, not with `create_immed`, which may end the client: so one kind of
//! buffer can be tried after the other. Until the answer comes, a buffer has a number and no object.

use std::sync::OnceLock;

use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{
    self, Flags, ZwpLinuxBufferParamsV1,
};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_feedback_v1::{
    self, ZwpLinuxDmabufFeedbackV1,
};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::{
    self, ZwpLinuxDmabufV1,
};
use smithay_client_toolkit::dispatch2::Dispatch2;
use wayland_client::protocol::wl_buffer::{self, WlBuffer};
use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Connection, Proxy, QueueHandle};

use crate::feedback::{Feedback, FeedbackError, Modifier, Offer};
use crate::picture::Picture;
use crate::source::DmaMemory;
use crate::window::State;

type Qh = QueueHandle<State>;

/// The compositor's side of dma-bufs.
#[derive(Debug)]
pub struct Dmabuf {
    global: ZwpLinuxDmabufV1,
    feedback: Feedback,
    offer: Option<Offer>,
    broken: Option<FeedbackError>,
}

impl Dmabuf {
    /// Asks what is offered, for this surface if the compositor is so exact.
    pub fn ask(global: ZwpLinuxDmabufV1, surface: &WlSurface, connection: &Connection, qh: &Qh) -> Dmabuf {
        if global.version() >= 4 {
            global.get_surface_feedback(surface, qh, FeedbackEvents);
        } else {
            // The events come by themselves; all have come when this is answered.
            connection.display().sync(qh, AllFormats);
        }
        Dmabuf { global, feedback: Feedback::default(), offer: None, broken: None }
    }

    /// What is offered, once it is known.
    pub fn offer(&self) -> Option<&Offer> {
        self.offer.as_ref()
    }

    /// What was wrong with what the compositor said; told once.
    pub fn error(&mut self) -> Option<FeedbackError> {
        self.broken.take()
    }

    /// Asks for a buffer of this memory; [`State::created`] or [`State::refused`] will say what came of it.
    pub fn create(&self, id: u64, memory: &DmaMemory, picture: &Picture, modifier: Modifier, qh: &Qh) {
        let params = self.global.create_params(qh, ParamsTag(id));
        let (high, low) = modifier.halves();
        for (index, plane) in (0_u32..).zip(&memory.planes[..picture.format.planes()]) {
            // Rows of at most MAX_EDGE pixels, and twice as many: far from 32 bits.
            let offset = u32::try_from(plane.offset).unwrap_or(u32::MAX);
            params.add(memory.fd(), index, offset, plane.stride, high, low);
        }
        let [width, height] =
            [picture.size.width, picture.size.height].map(|edge| i32::try_from(edge).unwrap_or(i32::MAX));
        params.create(width, height, picture.format.drm(), Flags::empty());
    }

    fn note(&mut self, result: Result<(), FeedbackError>) {
        if let Err(error) = result {
            self.broken.get_or_insert(error);
        }
    }
}

/// For zwp_linux_dmabuf_v1 itself.
#[derive(Debug)]
pub struct FormatEvents;

impl Dispatch2<ZwpLinuxDmabufV1, State> for FormatEvents {
    fn event(
        &self,
        state: &mut State,
        global: &ZwpLinuxDmabufV1,
        event: zwp_linux_dmabuf_v1::Event,
        _: &Connection,
        _: &Qh,
    ) {
        let Some(dmabuf) = &mut state.dmabuf else { return };
        match event {
            // From version 3 on each comes again as a modifier.
            zwp_linux_dmabuf_v1::Event::Format { format } if global.version() < 3 => {
                dmabuf.feedback.format(format, Modifier::INVALID);
            }
            zwp_linux_dmabuf_v1::Event::Modifier { format, modifier_hi, modifier_lo } => {
                let modifier = u64::from(modifier_hi) << 32 | u64::from(modifier_lo);
                dmabuf.feedback.format(format, Modifier(modifier));
            }
            _ => {}
        }
    }
}

/// For the callback after which all formats are known.
#[derive(Debug)]
pub struct AllFormats;

impl Dispatch2<WlCallback, State> for AllFormats {
    fn event(&self, state: &mut State, _: &WlCallback, _: wl_callback::Event, _: &Connection, _: &Qh) {
        if let Some(dmabuf) = &mut state.dmabuf {
            dmabuf.offer = Some(dmabuf.feedback.done());
            state.offered();
        }
    }
}

/// For a feedback.
#[derive(Debug)]
pub struct FeedbackEvents;

impl Dispatch2<ZwpLinuxDmabufFeedbackV1, State> for FeedbackEvents {
    fn event(
        &self,
        state: &mut State,
        _: &ZwpLinuxDmabufFeedbackV1,
        event: zwp_linux_dmabuf_feedback_v1::Event,
        _: &Connection,
        _: &Qh,
    ) {
        use zwp_linux_dmabuf_feedback_v1::Event;
        let Some(dmabuf) = &mut state.dmabuf else { return };
        let result = match event {
            Event::FormatTable { fd, size } => dmabuf.feedback.table(&fd, size),
            Event::MainDevice { device } => dmabuf.feedback.main_device(&device),
            Event::TrancheFormats { indices } => dmabuf.feedback.formats(&indices),
            Event::Done => {
                dmabuf.offer = Some(dmabuf.feedback.done());
                return state.offered();
            }
            // Whose device a tranche is for, and whether it may be scanned out, changes nothing for one who draws by CPU.
            _ => Ok(()),
        };
        dmabuf.note(result);
    }
}

/// For the parameters of a buffer: its number.
#[derive(Debug)]
pub struct ParamsTag(u64);

impl Dispatch2<ZwpLinuxBufferParamsV1, State> for ParamsTag {
    fn event(
        &self,
        state: &mut State,
        params: &ZwpLinuxBufferParamsV1,
        event: zwp_linux_buffer_params_v1::Event,
        _: &Connection,
        _: &Qh,
    ) {
        match event {
            zwp_linux_buffer_params_v1::Event::Created { buffer } => {
                if let Some(CreatedTag(id)) = buffer.data() {
                    let _ = id.set(self.0);
                }
                state.created(self.0, buffer);
            }
            zwp_linux_buffer_params_v1::Event::Failed => state.refused(self.0),
            _ => return,
        }
        params.destroy();
    }

    wayland_client::event_created_child!(State, ZwpLinuxBufferParamsV1, [
        zwp_linux_buffer_params_v1::EVT_CREATED_OPCODE => (WlBuffer, CreatedTag::default())
    ]);
}

/// For a buffer that the compositor has made: its number, which is known only once it is there.
#[derive(Debug, Default)]
pub struct CreatedTag(OnceLock<u64>);

impl Dispatch2<WlBuffer, State> for CreatedTag {
    fn event(&self, state: &mut State, _: &WlBuffer, event: wl_buffer::Event, _: &Connection, _: &Qh) {
        if let (wl_buffer::Event::Release, Some(id)) = (event, self.0.get()) {
            state.released(*id);
        }
    }
}
