//! A screen that is a window in another compositor, the host.
//!
//! Each surface whose memory the host can show as it is gets a place of its own there, on top of our window, and not a pixel of
//! it is touched here: it is forwarded. What cannot be forwarded is composed into memory of ours, which the host shows: into the
//! window's own picture if nothing forwarded lies below it, else into a layer of its own, so that the order is kept.
//!
//! A frame that takes no drawing goes to the host at once. Drawing waits for the host's frame callbacks.

use std::sync::Arc;

use super::host_input::Scroll;
use super::wayland::{Drawing, Export, Host, HostEvent, Obstacle};
use super::{Answer, Shown, Way};
use crate::buffer::{Buffer, BufferUse, Path};
use crate::clock;
use crate::frame::{Presented, Showing};
use crate::geometry::{Point, Rect, Region, Size};
use crate::render::{Drawn, PixmanRenderer, Renderer, Target};
use crate::scene::{Content, Element, ElementId, Scene, View};
use crate::scene_diff::SceneMemory;
use crate::server::Server;
use crate::surface::{Surface, SurfaceId};
use crate::{Ended, RunError};
use selkie_protocols::upstream::wp::presentation_time::server::wp_presentation_feedback::Kind;

/// More elements than this are composed, all of them: a host is not made to carry thousands of surfaces.
const MOST_LAYERS: usize = 256;

/// The window, and what draws into it.
pub(crate) struct Nested {
    pub host: Host,
    renderer: PixmanRenderer,
    /// Whether to compose everything.
    compose: bool,
    /// What the window's own picture shows.
    memory: SceneMemory,
    /// What of it has changed since it was drawn.
    stale: Region,
    /// How each element of the scene gets to the host.
    plans: Vec<Plan>,
    shown_once: bool,
    /// For who wants to see the last frame.
    picture: Vec<u32>,
    pub scroll: Scroll,
}

/// How an element gets to the host.
enum Plan {
    /// In the window's own picture.
    Window,
    /// In a picture of its own: what of it shows, and what has to be drawn of that.
    Layer { visible: Rect, damage: Region, drawing: Option<Drawing> },
    /// As it is.
    Forward { used: Arc<BufferUse>, export: Export },
    /// Not at all: none of it shows.
    Outside { path: Path },
}

impl Nested {
    /// The screen that `host` has given us; `compose` forbids forwarding.
    pub fn new(host: Host, compose: bool) -> Self {
        Self {
            compose: compose || !host.has_layers(),
            host,
            renderer: PixmanRenderer::new(),
            memory: SceneMemory::default(),
            stale: Region::default(),
            plans: Vec::new(),
            shown_once: false,
            picture: Vec::new(),
            scroll: Scroll::default(),
        }
    }

    /// The screen, in words.
    pub fn describe(&self) -> String {
        let Size { w, h } = self.host.screen().size;
        format!("a window of {w}x{h} pixels in this session")
    }

    /// Hands over what changed. Either all of the scene is shown, or nothing of it.
    pub fn show(&mut self, scene: &Scene, shown: &mut Shown) -> Result<Showing, RunError> {
        let own = self.plan(&scene.elements);
        let stale = self.memory.update_part(scene, &scene.elements[..own]);
        self.stale = self.stale.union(&stale);
        let draws = self.stale.is_non_empty() || self.plans.iter().any(Plan::draws);
        if draws && !self.host.may_draw() {
            return Ok(Showing::Busy);
        }
        // All memory is had before anything is shown.
        let window = match self.stale.is_non_empty() {
            true => match self.host.acquire(&self.stale)? {
                Some(drawing) => Some(drawing),
                None => return Ok(Showing::Busy),
            },
            false => None,
        };
        for (plan, element) in self.plans.iter_mut().zip(&scene.elements) {
            if let Plan::Layer { visible, damage, drawing } = plan
                && damage.is_non_empty()
            {
                match self.host.acquire_layer(element, *visible, damage)? {
                    Some(acquired) => *drawing = Some(acquired),
                    None => return Ok(Showing::Busy),
                }
            }
        }
        let mut frame = 0;
        if let Some(Drawing { mut target, redraw }) = window {
            let view = View { background: Some(scene.background), elements: &scene.elements[..own] };
            self.renderer.render(view, &mut target, &redraw, &mut shown.drawn);
            let told = view.elements.iter().any(|e| e.news.feedback);
            frame = self.host.show_window(&std::mem::take(&mut self.stale), told);
        }
        let mut tick = false;
        for (element, plan) in scene.elements.iter().zip(self.plans.drain(..)) {
            let way = match plan {
                Plan::Window => {
                    tick |= element.news.callbacks > 0 || element.news.feedback;
                    Way { path: Path::Composed, frame }
                }
                Plan::Layer { visible, damage, drawing } => {
                    if let Some(Drawing { mut target, redraw }) = drawing {
                        let element = &moved(element, visible);
                        let view = View { background: None, elements: std::slice::from_ref(element) };
                        self.renderer.render(view, &mut target, &redraw, &mut shown.drawn);
                    }
                    tick |= element.news.feedback;
                    Way { path: Path::Composed, frame: self.host.show_drawn(element, visible, &damage) }
                }
                Plan::Forward { used, export } => {
                    let frame = self.host.show_export(element, &used, &export);
                    // Of a host that tells no times, or forgets to, the next beat has to do.
                    tick |= element.news.feedback;
                    Way { path: export.memory.path, frame }
                }
                Plan::Outside { path } => Way { path, frame: 0 },
            };
            shown.ways.push(way);
        }
        self.host.finish(scene, draws, tick);
        shown.not_imported.append(&mut self.host.not_imported());
        self.shown_once = true;
        Ok(Showing::Soon)
    }

    /// Whether the host can show a buffer in dma-bufs.
    pub fn try_dmabuf(&self, buffer: &Buffer) -> Answer {
        if self.compose {
            return Answer::Refused;
        }
        match self.host.export(buffer) {
            Ok(_) => Answer::Taken,
            Err(Obstacle::Asked) => Answer::Asked,
            Err(_) => Answer::Refused,
        }
    }

    /// Decides how each element gets to the host; returns how many, from the bottom, are in the window's own picture.
    fn plan(&mut self, elements: &[Element]) -> usize {
        let compose = self.compose || elements.len() > MOST_LAYERS;
        let forward = |element: &Element| match &element.content {
            Content::Buffer(used) if !compose => match self.host.can_export(element, used) {
                Ok(Some(export)) => Plan::Forward { used: used.clone(), export },
                Ok(None) => Plan::Outside { path: Path::Forwarded },
                Err(why) => {
                    tracing::trace!(element = ?element.id, "not forwarded: {why}");
                    match used.buffer().dmabuf() {
                        // Nobody can show it at present.
                        Some(image) if !image.is_readable() => Plan::Outside { path: Path::Forwarded },
                        _ => Plan::Window,
                    }
                }
            },
            _ => Plan::Window,
        };
        self.plans.clear();
        self.plans.extend(elements.iter().map(forward));
        let own = self.plans.iter().position(|p| matches!(p, Plan::Forward { .. }));
        let own = own.unwrap_or(elements.len());
        for (plan, element) in self.plans.iter_mut().zip(elements).skip(own) {
            if let Plan::Window = plan {
                let visible = self.host.visible_part(element);
                *plan = match visible.is_empty() {
                    true => Plan::Outside { path: Path::Composed },
                    false => {
                        let damage = self.host.layer_damage(element, visible);
                        Plan::Layer { visible, damage, drawing: None }
                    }
                };
            }
        }
        own
    }

    /// `scene` as the host shows it; `None` before the first frame. What was forwarded is drawn for this, and for nothing else.
    pub fn compose(&mut self, scene: &Scene, drawn: &mut Vec<Drawn>) -> Option<&[u32]> {
        if !self.shown_once {
            return None;
        }
        // Neither is negative.
        let (w, h) = (scene.size.w as usize, scene.size.h as usize);
        self.picture.resize(w * h, 0);
        let mut target = Target { ptr: self.picture.as_mut_ptr().cast(), stride: w * 4, size: scene.size };
        let all = Rect::of_size(scene.size).to_region();
        self.renderer.render(scene.view(), &mut target, &all, drawn);
        Some(&self.picture)
    }
}

impl Plan {
    fn draws(&self) -> bool {
        matches!(self, Plan::Layer { damage, .. } if damage.is_non_empty())
    }
}

/// `element` as it is drawn into a picture of its `visible` part.
fn moved(element: &Element, visible: Rect) -> Element {
    let by = Point::new(-visible.x, -visible.y);
    let mut opaque = element.opaque.clone();
    opaque.translate(by.x, by.y);
    Element {
        id: element.id,
        content: element.content.clone(),
        source: element.source,
        transform: element.transform,
        dest: element.dest.offset(by),
        opaque,
        news: Default::default(),
    }
}

impl Server {
    /// The memory of a surface takes another path now: other dma-bufs are welcome.
    pub fn path_changed(&mut self, id: SurfaceId) {
        if !self.dmabufs.is_followed(id) || self.backend.host().is_none() || self.config.compose {
            return;
        }
        let forwarded = self.surfaces.get(id).is_some_and(Surface::is_forwarded);
        let offer = if forwarded { None } else { Some(self.dmabufs.nothing_passed_on()) };
        self.feedback_changed(Some(id), offer);
        self.follow_feedback(id);
    }

    /// A client wants to know what its surface should be: so do we, if the host shows it.
    pub fn follow_feedback(&mut self, id: SurfaceId) {
        let forwarded = self.surfaces.get(id).is_some_and(Surface::is_forwarded);
        if let Some(host) = self.backend.host().filter(|_| forwarded) {
            host.follow_feedback(ElementId::Surface(id.0));
        }
    }

    /// Deals with what the host says.
    pub fn host_event(&mut self, event: HostEvent) {
        match event {
            HostEvent::Configured(screen) => {
                if self.output.change(screen.size, screen.scale, screen.refresh_mhz) {
                    self.shell_output_changed();
                    self.schedule_frame();
                }
            }
            HostEvent::FrameDone => {
                self.frame_done(clock::now_ns());
                let tells = self.backend.has_presentation();
                let beat = Presented {
                    ns: clock::now_ns_of(self.backend.clock_id()),
                    refresh_ns: self.output.period_ns(),
                    sequence: if tells { self.frames.told_sequence } else { self.frames.sequence },
                    flags: Kind::empty(),
                };
                // What changed nothing that the host could tell the time of shows as of now.
                self.presented(0, beat);
                if tells {
                    self.beat(beat);
                } else {
                    self.presented_all(beat);
                }
            }
            HostEvent::ElementDone { id, callbacks } => self.element_done(id, callbacks, clock::now_ns()),
            HostEvent::DmabufOffer { element, offer } => {
                let surface = match element {
                    Some(ElementId::Surface(id)) => Some(SurfaceId(id)),
                    _ => None,
                };
                // What an element should be that is composed by now matters to nobody.
                let forwards =
                    surface.is_none_or(|id| self.surfaces.get(id).is_some_and(Surface::is_forwarded));
                if forwards && !self.config.compose {
                    self.feedback_changed(surface, Some(offer));
                }
            }
            HostEvent::DmabufAnswer { buffer, taken } => self.dmabuf_answer(buffer, taken),
            HostEvent::Presented(at) => {
                let at_host = Presented {
                    ns: at.ns,
                    refresh_ns: at.refresh_ns,
                    sequence: at.sequence,
                    flags: Kind::from_bits_truncate(at.flags),
                };
                self.frames.told_sequence = at.sequence;
                self.presented(at.frame, at_host);
            }
            HostEvent::Discarded { frame } => self.discarded(frame),
            HostEvent::Closed => self.end(Ended::Closed),
            HostEvent::Lost(error) => self.fail(error.into()),
            HostEvent::Pointer(pointer) => self.host_pointer(pointer),
            HostEvent::Keyboard(keyboard) => self.host_keyboard(keyboard),
        }
    }
}
