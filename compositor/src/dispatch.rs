//! From wayland-server's dispatch to ours: data that knows how to handle requests, and the one
//! place that posts a protocol error.

use std::sync::Arc;

use wayland_backend::server::{ClientId, ObjectId};
use wayland_server::protocol::__interfaces::WL_DISPLAY_INTERFACE;
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, Resource};

use crate::client::{ClientState, Connection};
use crate::error::{Culprit, Outcome, ProtocolError};
use crate::server::Server;

/// What a request is handled with.
pub(crate) struct Ctx<'a, 'init> {
    pub server: &'a mut Server,
    pub client: &'a Client,
    pub init: &'a mut DataInit<'init, Server>,
}

impl Ctx<'_, '_> {
    /// The client that sent the request.
    pub fn state(&self) -> &Arc<ClientState> {
        client_state(self.client)
    }
}

/// What the compositor knows about `client`.
pub(crate) fn client_state(client: &Client) -> &Arc<ClientState> {
    // Every client is inserted with that data, in one place (`Server::insert_client`).
    &client.get_data::<Connection>().expect("clients are inserted with their state").0
}

/// Data of a protocol object that handles the object's requests.
pub(crate) trait Requests<I: Resource>: Send + Sync + 'static {
    /// Handles `request` of `object`.
    fn request(&self, ctx: &mut Ctx<'_, '_>, object: &I, request: I::Request) -> Outcome;

    /// The object is gone, destroyed or with its client.
    fn destroyed(&self, _server: &mut Server, _object: &I) {}
}

impl<I, D> Dispatch<I, D> for Server
where
    I: Resource + 'static,
    D: Requests<I>,
{
    fn request(
        server: &mut Server,
        client: &Client,
        object: &I,
        request: I::Request,
        data: &D,
        display: &DisplayHandle,
        init: &mut DataInit<'_, Server>,
    ) {
        if let Err(error) = data.request(&mut Ctx { server, client, init }, object, request) {
            post(display, client_state(client), object.id(), error);
        }
    }

    fn destroyed(server: &mut Server, _client: ClientId, object: &I, data: &D) {
        data.destroyed(server, object);
    }
}

/// The `wl_display` of a client, while the client is there.
pub(crate) fn display_object(display: &DisplayHandle, client: ClientId) -> Option<ObjectId> {
    // wayland.xml: the display is always object 1.
    display.backend_handle().object_for_protocol_id(client, &WL_DISPLAY_INTERFACE, 1).ok()
}

/// Ends a client with an error on the object of that id, unless the error names another.
pub(crate) fn post(display: &DisplayHandle, client: &ClientState, object: ObjectId, error: ProtocolError) {
    let id = match error.culprit {
        Culprit::Receiver => object,
        Culprit::Object(other) => other,
        Culprit::Display => {
            let owner = display.backend_handle().get_client(object.clone()).ok();
            owner.and_then(|client| display_object(display, client)).unwrap_or(object)
        }
    };
    tracing::warn!(
        client = client.key,
        program = client.program,
        object = %id,
        code = error.code,
        "protocol error: {}",
        error.message
    );
    // C strings cannot hold a NUL; without any, making one cannot fail.
    let message = std::ffi::CString::new(error.message.replace('\0', " ")).unwrap_or_default();
    display.backend_handle().post_error(id, error.code, message);
}
