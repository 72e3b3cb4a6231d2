//! Drag and drop: an icon, whom it is over, and what source and destination agree on.
//!
//! A drag takes the pointer from everybody: the surfaces under it get `wl_data_device` events instead, until
//! the last button comes up. What was dropped lives on in its offer until the destination says that it has finished.

use wayland_server::Resource;
pub(crate) use wayland_server::protocol::wl_data_device_manager::DndAction as Action;
use wayland_server::protocol::{wl_data_device, wl_data_offer};

use super::clipboard::used_source;
use super::input::asked_action;
use super::serials::Event;
use super::transfer::{Used, finished};
use crate::error::{Outcome, ProtocolError};
use crate::geometry::Point;
use crate::server::Server;
use crate::shell::Root;
use crate::surface::{Role, SurfaceId};

/// A drag that is under way.
pub(crate) struct Drag {
    /// Who started it.
    pub client: u64,
    /// Where; a drag without a source ends with that surface.
    origin: SurfaceId,
    source: Option<u64>,
    /// What follows the pointer, and how far from it.
    icon: Option<(SurfaceId, Point)>,
    target: Option<Target>,
}

/// The surface it is over.
struct Target {
    surface: SurfaceId,
    client: u64,
    local: (f64, f64),
    /// One for each `wl_data_device` of the client.
    offers: Vec<u64>,
}

/// How source and destination stand; kept with the source.
#[derive(Debug, Clone, Default)]
pub(super) struct Negotiation {
    /// The offer that speaks for the destination.
    offer: Option<u64>,
    /// The mime type that the destination accepted last.
    accepted: Option<String>,
    /// What they agree on.
    action: Option<Action>,
}

/// What a destination says; kept with its offer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Actions {
    actions: Action,
    preferred: Action,
    dropped: bool,
    /// Dropped, and the user is being asked what is to be done.
    asks: bool,
    pub finished: bool,
}

impl Actions {
    /// Nothing said yet; who cannot speak of actions copies.
    pub fn new(speaks: bool) -> Self {
        let said = if speaks { Action::empty() } else { Action::Copy };
        Self { actions: said, preferred: said, dropped: false, asks: false, finished: false }
    }
}

impl Drag {
    /// The icon and where it is, with the pointer at `at`.
    pub fn icon_root(&self, at: Point) -> Option<Root> {
        self.icon.map(|(surface, offset)| Root { surface, origin: at.offset(offset) })
    }

    /// The icon's surface was committed, with its content moved by `offset`.
    pub fn icon_moved(&mut self, id: SurfaceId, offset: Point) {
        if let Some((surface, at)) = &mut self.icon
            && *surface == id
        {
            *at = at.offset(offset);
        }
    }
}

/// The action that comes of what both sides offer.
fn choose(source: Action, destination: Action, preferred: Action, asked: Action) -> Action {
    let both = source & destination;
    if both.intersects(asked) {
        asked
    } else if both.intersects(preferred) {
        preferred
    } else {
        [Action::Copy, Action::Move, Action::Ask]
            .into_iter()
            .find(|a| both.contains(*a))
            .unwrap_or(Action::empty())
    }
}

impl Server {
    /// `wl_data_device.start_drag`.
    pub fn start_drag(
        &mut self,
        client: u64,
        source: Option<u64>,
        origin: SurfaceId,
        icon: Option<SurfaceId>,
        serial: u32,
    ) -> Outcome {
        if let Some(surface) = icon.and_then(|id| self.surfaces.get_mut(id)) {
            if !matches!(surface.role, Role::None | Role::DragIcon) {
                let message = "that surface has another role: an icon needs one of its own";
                return Err(ProtocolError::new(wl_data_device::Error::Role, message));
            }
            surface.role = Role::DragIcon;
        }
        if let Some(source) = source.and_then(|id| self.seat.transfers.source(id)) {
            if source.used != Used::No {
                return Err(used_source());
            }
            source.used = Used::Drag;
        }
        if self.seat.drag.is_some() || !self.seat_implicit_grab(origin, serial) {
            // The user let go already, or never asked for it.
            if let Some(source) = source.and_then(|id| self.seat.transfers.source(id)) {
                source.cancel();
            }
            return Ok(());
        }
        let icon = icon.map(|icon| (icon, Point::default()));
        self.seat.drag = Some(Drag { client, origin, source, icon, target: None });
        self.seat_refresh();
        self.schedule_frame();
        Ok(())
    }

    /// The pointer moved.
    pub(super) fn drag_motion(&mut self, time: u32) {
        let Some(drag) = &self.seat.drag else { return };
        let pointer = &self.seat.pointer;
        let mut hit = self.surface_under(pointer.position).filter(|_| pointer.present);
        if drag.source.is_none() {
            // Without a source nobody but the client itself knows what is dragged.
            hit = hit.filter(|(surface, _)| self.client_of(*surface) == Some(drag.client));
        }
        let now = drag.target.as_ref().map(|t| (t.surface, t.local));
        if now == hit {
            return;
        }
        match (now, hit) {
            (Some((old, _)), Some((new, local))) if old == new => {
                let Some(target) = self.seat.drag.as_mut().and_then(|d| d.target.as_mut()) else { return };
                target.local = local;
                let client = target.client;
                for device in self.seat.devices(client) {
                    device.motion(time, local.0, local.1);
                }
            }
            _ => {
                self.drag_leave();
                if let Some((surface, local)) = hit {
                    self.drag_enter(surface, local);
                }
            }
        }
    }

    /// Something under the pointer may have moved.
    pub(super) fn drag_refresh(&mut self) {
        self.drag_motion(self.seat.pointer.time());
    }

    fn drag_enter(&mut self, id: SurfaceId, local: (f64, f64)) {
        let Some(surface) = self.surfaces.get(id) else { return };
        let (resource, client) = (surface.resource.clone(), surface.client.key);
        let source = self.seat.drag.as_ref().and_then(|d| d.source);
        let serial = self.seat.serials.issue(client, Event::Other);
        let mut offers = Vec::new();
        for device in self.seat.devices(client).to_vec() {
            let offer = source.and_then(|s| self.make_offer(&device, client, s, true));
            device.enter(serial, &resource, local.0, local.1, offer.as_ref().map(|(_, offer)| offer));
            offers.extend(offer.map(|(id, _)| id));
        }
        if let Some(source) = source.and_then(|id| self.seat.transfers.source(id)) {
            source.talks = Negotiation { offer: offers.first().copied(), ..Negotiation::default() };
        }
        if let Some(drag) = &mut self.seat.drag {
            drag.target = Some(Target { surface: id, client, local, offers });
        }
        self.drag_negotiate();
    }

    /// Leaves the surface it is over; nothing is agreed on any more.
    fn drag_leave(&mut self) {
        let seat = &mut self.seat;
        let Some(drag) = &mut seat.drag else { return };
        let Some(target) = drag.target.take() else { return };
        for offer in target.offers {
            if let Some(offer) = seat.transfers.offer(offer) {
                offer.source = None;
            }
        }
        for device in seat.devices(target.client) {
            device.leave();
        }
        if let Some(source) = self.seat.drag.as_ref().and_then(|d| d.source) {
            self.silence(source);
        }
    }

    /// Nobody speaks to `source` any more.
    fn silence(&mut self, source: u64) {
        let Some(source) = self.seat.transfers.source(source) else { return };
        let old = std::mem::take(&mut source.talks);
        if old.accepted.is_some() {
            source.resource.target(None);
        }
        if old.action.is_some_and(|a| !a.is_empty()) && source.resource.version() >= 3 {
            source.resource.action(Action::empty());
        }
    }

    /// Works out what the two sides agree on, and tells them if it has changed.
    pub(super) fn drag_negotiate(&mut self) {
        let source = self.seat.drag.as_ref().and_then(|d| d.source);
        let offer = source.and_then(|id| self.seat.transfers.source(id)?.talks.offer);
        if let Some(offer) = offer {
            self.negotiate(offer);
        }
    }

    fn negotiate(&mut self, offer: u64) {
        let asked = asked_action(self);
        let Some((offer, source)) = self.seat.transfers.pair(offer) else { return };
        let Some(said) = offer.drag else { return };
        // After the drop it is between the two.
        let asked = if said.dropped { Action::empty() } else { asked };
        let action = choose(source.offered_actions(), said.actions, said.preferred, asked);
        let before = source.talks.action.replace(action);
        if before.unwrap_or(Action::empty()) == action && (before.is_some() || action.is_empty()) {
            return;
        }
        if said.asks {
            // The source is told when it is final.
            return;
        }
        if source.resource.version() >= 3 {
            source.resource.action(action);
        }
        if offer.resource.version() >= 3 {
            offer.resource.action(action);
        }
    }

    /// `wl_data_offer.accept`.
    pub fn offer_accept(&mut self, id: u64, mime: Option<String>) -> Outcome {
        let Some(offer) = self.seat.transfers.offer(id) else { return Ok(()) };
        let Some(said) = offer.drag else { return Ok(()) };
        if said.finished {
            return Err(finished());
        }
        let client = offer.client();
        let Some((_, source)) = self.seat.transfers.pair(id) else { return Ok(()) };
        source.talks.offer = Some(id);
        if source.talks.accepted == mime {
            return Ok(());
        }
        source.talks.accepted = mime.clone();
        source.resource.target(mime);
        self.seat.charge(client)
    }

    /// `wl_data_offer.set_actions`; each is `None` if it has bits that mean nothing.
    pub fn offer_set_actions(
        &mut self,
        id: u64,
        actions: Option<Action>,
        preferred: Option<Action>,
    ) -> Outcome {
        use wl_data_offer::Error;
        let Some(offer) = self.seat.transfers.offer(id) else { return Ok(()) };
        let client = offer.client();
        let Some(said) = &mut offer.drag else {
            return Err(ProtocolError::new(Error::InvalidOffer, "the clipboard knows no actions"));
        };
        if said.finished {
            return Err(finished());
        }
        let Some(actions) = actions else {
            return Err(ProtocolError::new(Error::InvalidActionMask, "the mask has bits that mean nothing"));
        };
        let one = preferred.filter(|p| p.bits().count_ones() <= 1 && actions.contains(*p));
        let Some(preferred) = one else {
            let message = "the preferred action must be one of the actions, or none";
            return Err(ProtocolError::new(Error::InvalidAction, message));
        };
        if said.dropped && !said.asks {
            // Too late: what was agreed on at the drop holds.
            return Ok(());
        }
        let asks = said.asks;
        (said.actions, said.preferred) = (actions, preferred);
        let Some((_, source)) = self.seat.transfers.pair(id) else { return Ok(()) };
        if asks && !source.offered_actions().contains(preferred) {
            let message = "the user was asked, and chose an action that the source does not offer";
            return Err(ProtocolError::new(Error::InvalidAction, message));
        }
        source.talks.offer = Some(id);
        self.negotiate(id);
        self.seat.charge(client)
    }

    /// `wl_data_offer.finish`.
    pub fn offer_finish(&mut self, id: u64) -> Outcome {
        let refuse = |why| Err(ProtocolError::new(wl_data_offer::Error::InvalidFinish, why));
        let Some(offer) = self.seat.transfers.offer(id) else { return Ok(()) };
        let Some(said) = &mut offer.drag else {
            return refuse("nothing was dropped: the offer is of the clipboard");
        };
        if said.finished {
            return refuse("the offer is finished already");
        }
        if !said.dropped {
            return refuse("nothing was dropped yet");
        }
        said.finished = true;
        let asks = said.asks;
        let Some((_, source)) = self.seat.transfers.pair(id) else { return Ok(()) };
        if source.talks.accepted.is_none() {
            return refuse("no mime type was accepted");
        }
        let action = source.talks.action.unwrap_or(Action::empty());
        if action.is_empty() || action == Action::Ask {
            return refuse("there is no action that could have been done");
        }
        source.used = Used::Over;
        if source.resource.version() >= 3 {
            if asks {
                source.resource.action(action);
            }
            source.resource.dnd_finished();
        }
        Ok(())
    }

    /// The last button came up.
    pub(super) fn drag_drop(&mut self) {
        let Some(drag) = &self.seat.drag else { return };
        let target = drag.target.as_ref().map(|t| t.client);
        let agreed = match drag.source {
            None => target.is_some(),
            Some(source) => target.is_some() && self.is_agreed(source),
        };
        let (true, Some(client)) = (agreed, target) else {
            self.drag_cancel();
            return;
        };
        let Some(drag) = self.seat.drag.take() else { return };
        for device in self.seat.devices(client) {
            device.drop();
        }
        if let Some(source) = drag.source.and_then(|id| self.seat.transfers.source(id)) {
            if source.resource.version() >= 3 {
                source.resource.dnd_drop_performed();
            }
            let (speaker, asks) = (source.talks.offer, source.talks.action == Some(Action::Ask));
            for id in drag.target.into_iter().flat_map(|t| t.offers) {
                let Some(offer) = self.seat.transfers.offer(id) else { continue };
                if Some(id) != speaker {
                    offer.source = None;
                } else if let Some(said) = &mut offer.drag {
                    (said.dropped, said.asks) = (true, asks);
                }
            }
        }
        self.schedule_frame();
    }

    /// Whether there is something to be dropped and something to be done with it.
    fn is_agreed(&mut self, source: u64) -> bool {
        let Some(source) = self.seat.transfers.source(source) else { return false };
        let (accepted, action) = (source.talks.accepted.is_some(), source.talks.action);
        let Some(offer) = source.talks.offer.and_then(|id| self.seat.transfers.offer(id)) else {
            return false;
        };
        // Up to version 2, accepting was for show.
        (accepted || offer.resource.version() < 3) && action.is_some_and(|a| !a.is_empty())
    }

    /// Ends the drag without a drop.
    pub(super) fn drag_cancel(&mut self) {
        self.drag_leave();
        let Some(drag) = self.seat.drag.take() else { return };
        if let Some(source) = drag.source.and_then(|id| self.seat.transfers.source(id)) {
            source.cancel();
        }
        self.schedule_frame();
    }

    /// A source is gone, and perhaps the drag with it.
    pub(super) fn drag_source_gone(&mut self, source: u64) {
        if self.seat.drag.as_ref().is_some_and(|d| d.source == Some(source)) {
            self.drag_cancel();
        }
    }

    /// An offer is about to go.
    pub(super) fn drag_offer_gone(&mut self, id: u64) {
        let Some((offer, source)) = self.seat.transfers.pair(id) else { return };
        let Some(said) = offer.drag else { return };
        if said.finished || source.used != Used::Drag || source.talks.offer != Some(id) {
            return;
        }
        if !said.dropped {
            if let Some(source) = offer.source {
                self.silence(source);
            }
        } else if offer.resource.version() < 3 {
            // It could not have said so otherwise.
            source.used = Used::Over;
            if source.resource.version() >= 3 {
                source.resource.dnd_finished();
            }
        } else {
            source.cancel();
        }
    }

    /// A surface is gone, and perhaps the icon, the target or the drag with it.
    pub(super) fn drag_surface_gone(&mut self, id: SurfaceId) {
        let Some(drag) = &mut self.seat.drag else { return };
        drag.icon = drag.icon.filter(|(icon, _)| *icon != id);
        if drag.source.is_none() && drag.origin == id {
            self.drag_cancel();
        } else if drag.target.as_ref().is_some_and(|t| t.surface == id) {
            self.drag_leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_one_that_both_sides_have() {
        let (none, all) = (Action::empty(), Action::Copy | Action::Move | Action::Ask);
        assert_eq!(choose(all, all, none, none), Action::Copy);
        assert_eq!(choose(all, all, Action::Ask, none), Action::Ask);
        assert_eq!(choose(all, all, Action::Ask, Action::Move), Action::Move);
        assert_eq!(choose(all, Action::Move, Action::Move, Action::Copy), Action::Move);
        assert_eq!(choose(Action::Copy, Action::Move, Action::Move, none), none);
        assert_eq!(choose(Action::Move | Action::Ask, all, Action::Copy, none), Action::Move);
    }
}
