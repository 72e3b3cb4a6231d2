//! `wl_data_device_manager` and what it makes: devices, sources and offers.

use wayland_server::Resource;
use wayland_server::WEnum;
use wayland_server::protocol::wl_data_device::{self, WlDataDevice};
use wayland_server::protocol::wl_data_device_manager::{self, WlDataDeviceManager};
use wayland_server::protocol::wl_data_offer::{self, WlDataOffer};
use wayland_server::protocol::wl_data_source::{self, WlDataSource};

use super::global;
use super::surface::surface_id;
use crate::dispatch::{Ctx, Requests};
use crate::error::Outcome;
use crate::seat::Action;
use crate::server::Server;

global!(WlDataDeviceManager, 3, |_server, _client, object, init| {
    init.init(object, ManagerData);
});

/// A bound `wl_data_device_manager`.
struct ManagerData;

impl Requests<WlDataDeviceManager> for ManagerData {
    fn request(
        &self,
        ctx: &mut Ctx<'_, '_>,
        _: &WlDataDeviceManager,
        request: wl_data_device_manager::Request,
    ) -> Outcome {
        use wl_data_device_manager::Request;
        let client = ctx.state().key;
        match request {
            Request::CreateDataSource { id } => {
                let number = ctx.server.next_id();
                let source = ctx.init.init(id, SourceData { number, client });
                ctx.server.source_made(client, number, source)?;
            }
            Request::GetDataDevice { id, seat: _ } => {
                let device = ctx.init.init(id, DeviceData { client });
                ctx.server.seat.add_device(client, device.clone())?;
                ctx.server.device_made(client, &device);
            }
            _ => {}
        }
        Ok(())
    }
}

/// A `wl_data_source`.
struct SourceData {
    number: u64,
    client: u64,
}

impl Requests<WlDataSource> for SourceData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &WlDataSource, request: wl_data_source::Request) -> Outcome {
        use wl_data_source::Request;
        match request {
            Request::Offer { mime_type } => ctx.server.source_offer(self.number, mime_type),
            Request::SetActions { dnd_actions } => {
                ctx.server.source_set_actions(self.number, known(dnd_actions))
            }
            _ => Ok(()),
        }
    }

    fn destroyed(&self, server: &mut Server, _: &WlDataSource) {
        server.source_gone(self.client, self.number);
    }
}

/// The number of a source that a request names.
fn source_number(source: &WlDataSource) -> Option<u64> {
    source.data::<SourceData>().map(|data| data.number)
}

/// A `wl_data_device`.
struct DeviceData {
    client: u64,
}

impl Requests<WlDataDevice> for DeviceData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &WlDataDevice, request: wl_data_device::Request) -> Outcome {
        use wl_data_device::Request;
        match request {
            Request::StartDrag { source, origin, icon, serial } => {
                let source = source.as_ref().and_then(source_number);
                let icon = icon.as_ref().map(surface_id);
                ctx.server.start_drag(self.client, source, surface_id(&origin), icon, serial)
            }
            Request::SetSelection { source, serial } => {
                ctx.server.set_selection(self.client, source.as_ref().and_then(source_number), serial)
            }
            _ => Ok(()),
        }
    }

    fn destroyed(&self, server: &mut Server, object: &WlDataDevice) {
        server.seat.remove_device(self.client, object);
    }
}

/// A `wl_data_offer`: its number.
pub(crate) struct OfferData(pub u64);

impl Requests<WlDataOffer> for OfferData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &WlDataOffer, request: wl_data_offer::Request) -> Outcome {
        use wl_data_offer::Request;
        match request {
            // The serial tells apart what the compositor does not confuse.
            Request::Accept { serial: _, mime_type } => ctx.server.offer_accept(self.0, mime_type),
            Request::Receive { mime_type, fd } => ctx.server.offer_receive(self.0, mime_type, fd),
            Request::Finish => ctx.server.offer_finish(self.0),
            Request::SetActions { dnd_actions, preferred_action } => {
                ctx.server.offer_set_actions(self.0, known(dnd_actions), known(preferred_action))
            }
            _ => Ok(()),
        }
    }

    fn destroyed(&self, server: &mut Server, _: &WlDataOffer) {
        server.offer_gone(self.0);
    }
}

/// The actions, unless there are bits among them that mean nothing.
fn known(actions: WEnum<Action>) -> Option<Action> {
    match actions {
        WEnum::Value(actions) => Some(actions),
        WEnum::Unknown(_) => None,
    }
}
