//! Surfaces of the host on top of our window's own: one for each element that has a place of its own there.
//!
//! All are synchronised subsurfaces, so what is committed to them shows with the window's next commit and not before: a frame of
//! several surfaces arrives whole. They take no input; that is the window's.
//!
//! A layer shows a client's memory as it is, or a picture of ours that lies above such memory.
//!
//! See wl_subsurface in wayland.xml, and viewporter.xml.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;

use smithay_client_toolkit::dispatch2::Dispatch2;
use smithay_client_toolkit::shell::WaylandSurface;
use wayland_client::globals::GlobalList;
use wayland_client::protocol::{wl_callback, wl_compositor, wl_region, wl_subcompositor, wl_surface};
use wayland_client::{Connection, Proxy, QueueHandle};

use selkie_protocols::upstream::wp::viewporter::client::wp_viewporter::WpViewporter;

use super::exports::{Memory, Obstacle};
use super::layer::{Layer, Picture, Shows, opaque_part};
use super::swapchain::{Drawing, Owner, Swapchain};
use super::window::FrameNumber;
use super::{Host, HostError, HostEvent, Silent};
use crate::backend::placement::{self, Place};
use crate::buffer::BufferUse;
use crate::geometry::{Point, Rect, Region, Transform};
use crate::scene::{Element, ElementId};
use crate::surface::{Damage, rects};

/// What it takes to have layers.
pub(super) struct Layers {
    compositor: wl_compositor::WlCompositor,
    /// And where layers take input: nowhere. `None` if there can be no layers.
    subcompositor: Option<(wl_subcompositor::WlSubcompositor, wl_region::WlRegion)>,
    viewporter: Option<WpViewporter>,
    all: HashMap<ElementId, Layer>,
    /// Their elements, bottom first, as the host has them.
    order: Vec<ElementId>,
    last: u64,
}

/// How the host can show a client's memory as it is.
pub(crate) struct Export {
    place: Place,
    pub memory: Memory,
}

/// The data of frame callbacks: what is to go on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Beat {
    /// Our own picture.
    Window,
    /// Our own picture, of which nothing can be seen: asked of the layer on top of all others.
    Top { layer: u64 },
    /// A picture of ours of an element.
    Layer { id: ElementId, layer: u64 },
    /// The client of an element whose memory shows.
    Export { id: ElementId, layer: u64, commit: u64 },
}

impl Dispatch2<wl_callback::WlCallback, Host> for Beat {
    fn event(
        &self,
        host: &mut Host,
        _: &wl_callback::WlCallback,
        _: wl_callback::Event,
        _: &Connection,
        _: &QueueHandle<Host>,
    ) {
        host.beat(*self);
    }
}

impl Host {
    /// The host is ready for another frame of what `beat` says.
    fn beat(&mut self, beat: Beat) {
        self.frames_since_beat = 0;
        self.drew_since_beat = false;
        match beat {
            Beat::Window => {
                self.waiting = false;
                self.events.push_back(HostEvent::FrameDone);
            }
            Beat::Top { layer } => {
                self.waiting_top = self.waiting_top.filter(|asked| *asked != layer);
                self.events.push_back(HostEvent::FrameDone);
            }
            Beat::Layer { id, layer } => {
                if let Some(layer) = self.layers.get(id, layer) {
                    layer.waiting = false;
                }
                self.events.push_back(HostEvent::FrameDone);
            }
            Beat::Export { id, layer, commit } => {
                let Some(layer) = self.layers.get(id, layer) else { return };
                let mut callbacks = 0;
                while let Some((_, count)) = layer.asked.front().filter(|(number, _)| *number <= commit) {
                    callbacks += count;
                    layer.asked.pop_front();
                }
                if callbacks > 0 {
                    self.events.push_back(HostEvent::ElementDone { id, callbacks });
                }
            }
        }
    }
}

impl Layers {
    pub fn bind(
        globals: &GlobalList,
        handle: &QueueHandle<Host>,
        compositor: wl_compositor::WlCompositor,
    ) -> Self {
        // Before version 3 nothing says the buffer's scale.
        let able = compositor.version() >= wl_surface::REQ_SET_BUFFER_SCALE_SINCE;
        let subcompositor = able.then(|| globals.bind(handle, 1..=1, Silent).ok()).flatten();
        Self {
            subcompositor: subcompositor.map(|s| (s, compositor.create_region(handle, Silent))),
            viewporter: globals.bind(handle, 1..=1, Silent).ok(),
            compositor,
            all: HashMap::new(),
            order: Vec::new(),
            last: 0,
        }
    }

    /// The layer of that element, if it still is the one of that number.
    fn get(&mut self, id: ElementId, number: u64) -> Option<&mut Layer> {
        self.all.get_mut(&id).filter(|l| l.number == number)
    }

    /// The pictures of the layer of that number.
    pub fn swapchain(&mut self, number: u64) -> Option<&mut Swapchain> {
        self.all.values_mut().find(|l| l.number == number)?.swapchain.as_mut()
    }
}

impl Host {
    /// Whether elements can have a place of their own.
    pub fn has_layers(&self) -> bool {
        self.layers.subcompositor.is_some()
    }

    /// How the host can show `element`, a client's buffer, as it is; `None` if none of it shows.
    ///
    /// # Errors
    ///
    /// [`Obstacle`] if it cannot.
    pub fn can_export(&self, element: &Element, used: &BufferUse) -> Result<Option<Export>, Obstacle> {
        let (buffer, viewporter) = (used.buffer(), self.layers.viewporter.is_some());
        let place =
            placement::place(element, buffer.size(), self.screen.size, self.screen.scale, viewporter)?;
        let Some(place) = place else { return Ok(None) };
        Ok(Some(Export { place, memory: self.export(buffer)? }))
    }

    /// The part of `element` that shows, in pixels, on whole units of the host.
    pub fn visible_part(&self, element: &Element) -> Rect {
        let visible = element.dest.intersect(Rect::of_size(self.screen.size));
        if visible.is_empty() {
            return visible;
        }
        let unit = self.screen.scale;
        // The window is of whole units too, so what is rounded outwards stays within it.
        let (left, top) = (visible.x - visible.x % unit, visible.y - visible.y % unit);
        let up = |v: i32| (v + unit - 1) / unit * unit;
        Rect::new(left, top, up(visible.right()) - left, up(visible.bottom()) - top)
    }

    /// What has to be drawn of `visible`, the part of `element` that shows, before the host shows it right; from the top left
    /// corner of `visible`.
    pub fn layer_damage(&self, element: &Element, visible: Rect) -> Region {
        let layer = self.layers.all.get(&element.id);
        if let Some(Shows::Drawn(drawn)) = layer.map(|l| &l.shows)
            && *drawn == Picture::of(element, visible)
        {
            let mut damage = element.damage(self.screen.scale).intersect(&visible.to_region());
            damage.translate(-visible.x, -visible.y);
            return damage;
        }
        Rect::of_size(visible.size()).to_region()
    }

    /// Memory to draw `visible` of `element` into, of which `damage` has changed; `None` if the host still reads all
    /// there is. Nothing shows before [`Host::show_drawn`].
    ///
    /// # Errors
    ///
    /// [`HostError::Memory`].
    pub fn acquire_layer(
        &mut self,
        element: &Element,
        visible: Rect,
        damage: &Region,
    ) -> Result<Option<Drawing>, HostError> {
        let (shm, handle) = (self.shm.clone(), self.handle.clone());
        let Some(layer) = self.layer(element.id) else { return Ok(None) };
        let owner = Owner::Layer(layer.number);
        let swapchain = layer.swapchain.get_or_insert_with(|| Swapchain::new(shm, handle, owner));
        Ok(swapchain.acquire(visible.size(), damage)?)
    }

    /// Has the layer of `element` show what was drawn of it, which differs from its last picture in `drawn`. Returns the number
    /// for [`HostEvent::Presented`](super::HostEvent::Presented), 0 if nobody asked.
    pub fn show_drawn(&mut self, element: &Element, visible: Rect, drawn: &Region) -> u64 {
        let unit = self.screen.scale;
        let number = self.next_frame();
        let (presentation, handle) = (self.presentation.clone(), self.handle.clone());
        let Some(layer) = self.layer(element.id) else { return 0 };
        layer.stays = true;
        let before = layer.place.map(|p| p.at);
        let at = Point::new(visible.x / unit, visible.y / unit);
        let (transform, source, destination) = (Transform::Normal, None, None);
        let mut changed = layer.set_place(Place { at, transform, scale: unit, source, destination, visible });
        let moved = before != Some(at);
        if drawn.is_non_empty()
            && let Some(buffer) = layer.swapchain.as_mut().and_then(Swapchain::present)
        {
            layer.surface.attach(Some(buffer), 0, 0);
            damage_buffer(&layer.surface, drawn);
            changed = true;
        }
        layer.showed = std::mem::replace(&mut layer.shows, Shows::Drawn(Picture::of(element, visible)));
        // The client is told by a beat of ours now.
        layer.asked.clear();
        let wanted = element.news.callbacks > 0 || drawn.is_non_empty();
        if wanted && !std::mem::replace(&mut layer.waiting, true) {
            layer.surface.frame(&handle, Beat::Layer { id: element.id, layer: layer.number });
            changed = true;
        }
        let mut told = 0;
        if let Some(presentation) = presentation.filter(|_| element.news.feedback && drawn.is_non_empty()) {
            presentation.feedback(&layer.surface, &handle, FrameNumber { number, exported: false });
            told = number;
        }
        layer.changed |= changed;
        self.changed |= changed || moved;
        told
    }

    /// Has the host say what dma-bufs it would like for `element`, if it shows that client's memory and can say so
    /// ([`HostEvent::DmabufOffer`]).
    pub fn follow_feedback(&mut self, id: ElementId) {
        let Some(layer) = self.layers.all.get(&id).filter(|l| l.feedback.is_none()) else { return };
        let feedback = self.surface_feedback(&layer.surface, id);
        if let Some(layer) = self.layers.all.get_mut(&id) {
            layer.feedback = feedback;
        }
    }

    /// Has the layer of `element` show a client's memory itself. Returns the number for
    /// [`HostEvent::Presented`](super::HostEvent::Presented), 0 if nobody asked.
    pub fn show_export(&mut self, element: &Element, used: &Arc<BufferUse>, export: &Export) -> u64 {
        let Export { place, memory: Memory { proxy, keep, .. } } = export;
        let unit = self.screen.scale;
        let number = self.next_frame();
        let (presentation, handle) = (self.presentation.clone(), self.handle.clone());
        let compositor = self.layers.compositor.clone();
        let Some(layer) = self.layer(element.id) else { return 0 };
        layer.stays = true;
        let before = layer.place.map(|p| p.at);
        let reshaped = layer.set_place(*place);
        let opaque = opaque_part(element, place.visible, unit);
        let mut changed = layer.set_opaque(opaque, || compositor.create_region(&handle, Silent)) || reshaped;
        let (same, exported) = match &layer.shows {
            Shows::Export(shown, before, kept) => {
                let same = Arc::ptr_eq(shown, used);
                // Under another name, the host knows nothing of what the memory held before.
                (same && before == proxy, kept.is_some() == keep.is_some() && (!same || before == proxy))
            }
            Shows::Nothing | Shows::Drawn(_) => (false, false),
        };
        let news = &element.news;
        if !same || reshaped || news.damage.is_non_empty() {
            if let Shows::Export(before, ..) = &layer.shows
                && !same
                && Arc::ptr_eq(before.buffer(), used.buffer())
            {
                // The host will release the buffer for all of its uses at once, and that is for this one now.
                used.buffer().held.remove(before);
            }
            layer.surface.attach(Some(proxy), 0, 0);
            used.buffer().held.add(used);
            if reshaped || !exported {
                layer.surface.damage(0, 0, i32::MAX, i32::MAX);
            } else {
                // The client's units are the host's; what is cut off on the left and at the top does not count there.
                let cut = place.visible.origin().relative_to(element.dest.origin());
                for r in rects(&news.damage) {
                    let (x, y) = (r.x.saturating_sub(cut.x / unit), r.y.saturating_sub(cut.y / unit));
                    layer.surface.damage(x, y, r.w, r.h);
                }
            }
            let shows = Shows::Export(used.clone(), proxy.clone(), keep.clone());
            layer.showed = std::mem::replace(&mut layer.shows, shows);
            changed = true;
        }
        let mut asks = false;
        let asked = layer.asked.iter().map(|(_, count)| count).sum::<usize>();
        if news.callbacks > asked {
            layer.asked.push_back((number, news.callbacks - asked));
            let beat = Beat::Export { id: element.id, layer: layer.number, commit: number };
            layer.surface.frame(&handle, beat);
            (changed, asks) = (true, true);
        }
        let mut told = 0;
        if let Some(presentation) = presentation.filter(|_| news.feedback) {
            presentation.feedback(&layer.surface, &handle, FrameNumber { number, exported: true });
            told = number;
            changed = true;
        }
        layer.changed |= changed;
        self.asked |= asks;
        self.changed |= changed || before != Some(place.at);
        told
    }

    /// Asks for a beat of the layer on top of all others, if there is one that was not asked yet.
    pub(super) fn ask_top(&mut self) {
        let Some(layer) = self.layers.order.last().and_then(|id| self.layers.all.get_mut(id)) else { return };
        if self.waiting_top.replace(layer.number) != Some(layer.number) {
            layer.surface.frame(&self.handle, Beat::Top { layer: layer.number });
            (layer.changed, self.changed) = (true, true);
        }
    }

    /// Commits the layers that changed. Each once: what a second commit comes after counts as never shown.
    pub(super) fn commit_layers(&mut self) {
        for layer in self.layers.all.values_mut().filter(|l| l.changed) {
            layer.surface.commit();
            layer.changed = false;
        }
    }

    /// The host has what was committed: lets go of what it replaced.
    pub(super) fn settled(&mut self, gone: Vec<Layer>) {
        drop(gone);
        for layer in self.layers.all.values_mut() {
            layer.showed = Shows::Nothing;
        }
    }

    /// Takes off the layers that were not shown since the last call, and puts the others into the order of `elements`. What is
    /// returned disappears with the window's next commit, and is to be dropped after it.
    pub(super) fn settle(&mut self, elements: &[Element]) -> Vec<Layer> {
        let layers = &mut self.layers;
        let mut disturbed = Damage::default();
        let gone: Vec<Layer> =
            layers.all.extract_if(|_, l| !std::mem::take(&mut l.stays)).map(|(_, l)| l).collect();
        for layer in gone.iter().filter(|l| !matches!(l.shows, Shows::Nothing)) {
            layer.surface.attach(None, 0, 0);
            layer.surface.commit();
            disturbed.add(layer.lies);
            self.changed = true;
        }
        if !gone.is_empty() {
            layers.order.retain(|id| layers.all.contains_key(id));
        }
        let wanted = || elements.iter().filter_map(|e| layers.all.get(&e.id));
        if !wanted().map(|l| l.id).eq(layers.order.iter().copied()) {
            let mut below = self.window.wl_surface();
            for layer in wanted() {
                layer.subsurface.place_above(below);
                below = &layer.surface;
                disturbed.add(layer.lies);
            }
            layers.order = wanted().map(|l| l.id).collect();
            self.changed = true;
        }
        for layer in layers.all.values_mut() {
            let visible = layer.place.map_or(layer.lies, |p| p.visible);
            let lay = std::mem::replace(&mut layer.lies, visible);
            if lay != visible && !lay.is_empty() {
                disturbed.add(lay);
                disturbed.add(visible);
            }
        }
        if !disturbed.is_empty() {
            // Not every host knows by itself that what was covered has to be drawn anew: sway 1.7 leaves the old picture there.
            damage_buffer(self.window.wl_surface(), disturbed.region());
        }
        gone
    }

    /// The layer of an element, made if there is none; `None` if the host can have none.
    fn layer(&mut self, id: ElementId) -> Option<&mut Layer> {
        let layers = &mut self.layers;
        let (subcompositor, nowhere) = layers.subcompositor.as_ref()?;
        let vacant = match layers.all.entry(id) {
            Entry::Occupied(found) => return Some(found.into_mut()),
            Entry::Vacant(vacant) => vacant,
        };
        let surface = layers.compositor.create_surface(&self.handle, Silent);
        let subsurface =
            subcompositor.get_subsurface(&surface, self.window.wl_surface(), &self.handle, Silent);
        surface.set_input_region(Some(nowhere));
        let viewporter = layers.viewporter.as_ref();
        let viewport = viewporter.map(|v| v.get_viewport(&surface, &self.handle, Silent));
        layers.last += 1;
        // The host puts it on top.
        layers.order.push(id);
        let layer = Layer {
            number: layers.last,
            id,
            surface,
            subsurface,
            viewport,
            place: None,
            lies: Rect::default(),
            opaque: Region::default(),
            shows: Shows::Nothing,
            showed: Shows::Nothing,
            asked: VecDeque::new(),
            waiting: false,
            swapchain: None,
            changed: false,
            feedback: None,
            stays: false,
        };
        Some(vacant.insert(layer))
    }
}

/// Tells what has changed, in pixels of the buffer where the host knows those.
pub(super) fn damage_buffer(surface: &wl_surface::WlSurface, damage: &Region) {
    if surface.version() < wl_surface::REQ_DAMAGE_BUFFER_SINCE {
        surface.damage(0, 0, i32::MAX, i32::MAX);
        return;
    }
    for r in rects(damage) {
        surface.damage_buffer(r.x, r.y, r.w, r.h);
    }
}
