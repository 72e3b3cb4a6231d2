//! The clipboard: whose data it is, and who is offered it.
//!
//! Only the client with the keyboard is offered it, before it gets the keyboard and whenever it changes.

use wayland_server::protocol::wl_data_device;
use wayland_server::protocol::wl_data_source;

use super::serials::not_older;
use super::transfer::Used;
use crate::error::{Outcome, ProtocolError};
use crate::server::Server;

/// What was copied last.
#[derive(Debug, Default)]
pub(super) struct Clipboard {
    source: Option<u64>,
    /// The serial it was set with.
    serial: Option<u32>,
}

impl Server {
    /// `wl_data_device.set_selection`.
    pub fn set_selection(&mut self, client: u64, source: Option<u64>, serial: u32) -> Outcome {
        let seat = &mut self.seat;
        if let Some(source) = source.and_then(|id| seat.transfers.source(id)) {
            if source.used != Used::No {
                return Err(used_source());
            }
            if source.actions.is_some() {
                let message = "a source with drag-and-drop actions is for drags only";
                let error = ProtocolError::new(wl_data_source::Error::InvalidSource, message);
                return Err(error.on(&source.resource));
            }
            source.used = Used::Selection;
        }
        // The client must have been given the serial, and nobody else one since that set the clipboard. Who
        // does not have the keyboard (it may just have lost it) can use a serial once.
        let focused = seat.keyboard.focus.is_some_and(|(_, c)| c == client);
        let last = seat.clipboard.serial;
        let valid = seat.serials.find(client, serial).is_some()
            && last.is_none_or(|last| not_older(serial, last) && (focused || serial != last));
        if !valid {
            if let Some(source) = source.and_then(|id| seat.transfers.source(id)) {
                source.cancel();
            }
            return Ok(());
        }
        seat.clipboard.serial = Some(serial);
        let old = std::mem::replace(&mut seat.clipboard.source, source);
        if let Some(old) = old.and_then(|id| seat.transfers.source(id)) {
            old.cancel();
        }
        self.selection_changed();
        Ok(())
    }

    /// Tells `client` what there is.
    pub(super) fn offer_selection(&mut self, client: u64) {
        for device in self.seat.devices(client).to_vec() {
            self.offer_selection_to(client, &device);
        }
    }

    /// A client has made itself another `wl_data_device`: tells it what the others know.
    pub fn device_made(&mut self, client: u64, device: &wl_data_device::WlDataDevice) {
        if self.seat.keyboard.focus.is_some_and(|(_, c)| c == client) {
            self.offer_selection_to(client, device);
        }
    }

    /// The source of the clipboard may be gone.
    pub(super) fn selection_source_gone(&mut self, source: u64) {
        if self.seat.clipboard.source == Some(source) {
            self.seat.clipboard.source = None;
            self.selection_changed();
        }
    }

    fn selection_changed(&mut self) {
        if let Some((_, client)) = self.seat.keyboard.focus {
            self.offer_selection(client);
        }
    }

    fn offer_selection_to(&mut self, client: u64, device: &wl_data_device::WlDataDevice) {
        let offer = self.seat.clipboard.source.and_then(|s| self.make_offer(device, client, s, false));
        device.selection(offer.as_ref().map(|(_, offer)| offer));
    }
}

/// The error of using a source twice.
pub(super) fn used_source() -> ProtocolError {
    let message = "a data source can be used once: make another";
    ProtocolError::new(wl_data_device::Error::UsedSource, message)
}
