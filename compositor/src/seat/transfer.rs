//! Data on its way from one client to another: sources, offers, and the fds between them.
//!
//! The data never passes through here: the receiver's fd goes to the source's client as it is. It is
//! asked only what it is, in ways that cannot stall, because closing our copy of it can: what is not a pipe,
//! a socket or a local file is not passed on, and is closed where nobody waits.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

use shm_core::verdict::{Kind, examine};
use wayland_server::Resource;
use wayland_server::protocol::wl_data_device::WlDataDevice;
use wayland_server::protocol::wl_data_offer::WlDataOffer;
use wayland_server::protocol::wl_data_source::{self, WlDataSource};

use super::drag::{Action, Actions, Negotiation};
use crate::error::{Outcome, ProtocolError};
use crate::protocol::data_device::OfferData;
use crate::server::Server;

/// `wl_data_source`s a client may have at a time.
const MAX_SOURCES: usize = 256;
/// The longest mime type, in bytes. libwayland takes no message of more than 4096.
const MAX_MIME: usize = 1024;
/// Bytes of all mime types of a source. Others have to read them whenever they get an offer.
const MAX_MIMES: usize = 64 << 10;
/// What a mime type costs beyond its text.
const MIME_COST: usize = 32;

/// What a source is used for. It can be used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Used {
    /// Nothing yet.
    No,
    /// The clipboard.
    Selection,
    /// A drag.
    Drag,
    /// Nothing any more.
    Over,
}

/// A `wl_data_source`.
pub(super) struct Source {
    pub resource: WlDataSource,
    mimes: Vec<String>,
    cost: usize,
    /// What `set_actions` said.
    pub actions: Option<Action>,
    pub used: Used,
    /// How a drag with it stands.
    pub talks: Negotiation,
}

impl Source {
    /// The actions it offers.
    pub fn offered_actions(&self) -> Action {
        // What clients do that know of no actions.
        self.actions.unwrap_or(Action::Copy)
    }

    /// It is of no use any more. `wl_data_source.cancelled` of drags came with version 3.
    pub fn cancel(&mut self) {
        if self.used == Used::Selection || self.resource.version() >= 3 {
            self.resource.cancelled();
        }
        self.used = Used::Over;
    }
}

/// A `wl_data_offer`.
pub(super) struct Offer {
    pub resource: WlDataOffer,
    client: u64,
    /// Where the data comes from; `None` if it does not come any more.
    pub source: Option<u64>,
    /// What it says about a drag; `None` for the clipboard.
    pub drag: Option<Actions>,
}

/// All sources and offers.
#[derive(Default)]
pub(super) struct Transfers {
    sources: HashMap<u64, Source>,
    offers: HashMap<u64, Offer>,
}

impl Transfers {
    /// Whether there are neither sources nor offers.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.offers.is_empty()
    }

    /// How many sources and offers there are.
    #[cfg(feature = "fuzzing")]
    pub fn len(&self) -> usize {
        self.sources.len() + self.offers.len()
    }

    pub fn source(&mut self, id: u64) -> Option<&mut Source> {
        self.sources.get_mut(&id)
    }

    pub fn offer(&mut self, id: u64) -> Option<&mut Offer> {
        self.offers.get_mut(&id)
    }

    /// An offer and the source behind it.
    pub fn pair(&mut self, offer: u64) -> Option<(&mut Offer, &mut Source)> {
        let offer = self.offers.get_mut(&offer)?;
        let source = self.sources.get_mut(&offer.source?)?;
        Some((offer, source))
    }
}

impl Server {
    /// A client has made a source.
    pub fn source_made(&mut self, client: u64, id: u64, resource: WlDataSource) -> Outcome {
        let seat_client = self.seat.clients.entry(client).or_default();
        if seat_client.sources >= MAX_SOURCES {
            let message = format!("more than {MAX_SOURCES} data sources at a time");
            return Err(ProtocolError::no_memory(message));
        }
        seat_client.sources += 1;
        let source = Source {
            resource,
            mimes: Vec::new(),
            cost: 0,
            actions: None,
            used: Used::No,
            talks: Negotiation::default(),
        };
        self.seat.transfers.sources.insert(id, source);
        Ok(())
    }

    /// `wl_data_source.offer`.
    pub fn source_offer(&mut self, id: u64, mime: String) -> Outcome {
        let Some(source) = self.seat.transfers.source(id) else { return Ok(()) };
        if mime.len() > MAX_MIME {
            let message = format!("a mime type of {} bytes: at most {MAX_MIME} are taken", mime.len());
            return Err(ProtocolError::no_memory(message));
        }
        source.cost += mime.len() + MIME_COST;
        if source.cost > MAX_MIMES {
            let message = format!("the mime types of a source take more than {MAX_MIMES} bytes");
            return Err(ProtocolError::no_memory(message));
        }
        source.mimes.push(mime);
        Ok(())
    }

    /// `wl_data_source.set_actions`; `None` if there are bits that mean nothing.
    pub fn source_set_actions(&mut self, id: u64, actions: Option<Action>) -> Outcome {
        use wl_data_source::Error;
        let Some(source) = self.seat.transfers.source(id) else { return Ok(()) };
        let Some(actions) = actions else {
            return Err(ProtocolError::new(Error::InvalidActionMask, "the mask has bits that mean nothing"));
        };
        if source.used != Used::No {
            let message = "actions must be set before the source is used";
            return Err(ProtocolError::new(Error::InvalidSource, message));
        }
        if source.actions.replace(actions).is_some() {
            return Err(ProtocolError::new(Error::InvalidActionMask, "actions can be set once"));
        }
        Ok(())
    }

    /// A source is gone.
    pub fn source_gone(&mut self, client: u64, id: u64) {
        let transfers = &mut self.seat.transfers;
        if transfers.sources.remove(&id).is_none() {
            return;
        }
        for offer in transfers.offers.values_mut().filter(|o| o.source == Some(id)) {
            offer.source = None;
        }
        self.seat.remove(client, |c| c.sources = c.sources.saturating_sub(1));
        self.selection_source_gone(id);
        self.drag_source_gone(id);
    }

    /// Introduces an offer of what `source` has to `device`.
    pub(super) fn make_offer(
        &mut self,
        device: &WlDataDevice,
        client: u64,
        source: u64,
        drag: bool,
    ) -> Option<(u64, WlDataOffer)> {
        let id = self.next_id();
        let transfers = &mut self.seat.transfers;
        let from = transfers.sources.get(&source)?;
        let resource = device
            .client()?
            .create_resource::<WlDataOffer, OfferData, Server>(&self.display, device.version(), OfferData(id))
            .ok()?;
        device.data_offer(&resource);
        for mime in &from.mimes {
            resource.offer(mime.clone());
        }
        let drag = drag.then(|| {
            let speaks = resource.version() >= 3;
            if speaks {
                resource.source_actions(from.offered_actions());
            }
            Actions::new(speaks)
        });
        transfers.offers.insert(id, Offer { resource: resource.clone(), client, source: Some(source), drag });
        Some((id, resource))
    }

    /// `wl_data_offer.receive`.
    pub fn offer_receive(&mut self, id: u64, mime: String, fd: OwnedFd) -> Outcome {
        let passable = matches!(
            examine(fd.as_fd(), 0).kind,
            Kind::Pipe | Kind::Socket | Kind::Memfd | Kind::Tmpfs | Kind::Disk
        );
        if !passable {
            tracing::warn!("a client wants data in a file that could stall whoever closes it");
            shm_core::closer::close_elsewhere(fd);
            return Ok(());
        }
        let Some(offer) = self.seat.transfers.offer(id) else { return Ok(()) };
        let client = offer.client;
        if offer.drag.is_some_and(|d| d.finished) {
            return Err(finished());
        }
        self.seat.charge(client)?;
        // Where nobody writes, closing the fd says so.
        if let Some((_, source)) = self.seat.transfers.pair(id)
            && matches!(source.used, Used::Selection | Used::Drag)
            && source.mimes.contains(&mime)
        {
            source.resource.send(mime, fd.as_fd());
        }
        Ok(())
    }

    /// An offer is gone.
    pub fn offer_gone(&mut self, id: u64) {
        self.drag_offer_gone(id);
        self.seat.transfers.offers.remove(&id);
    }
}

impl Offer {
    /// Whose it is.
    pub fn client(&self) -> u64 {
        self.client
    }
}

/// The error of everything but destroying an offer that is finished.
pub(super) fn finished() -> ProtocolError {
    use wayland_server::protocol::wl_data_offer::Error;
    ProtocolError::new(Error::InvalidOffer, "after finish an offer can only be destroyed")
}
