//! Between a program and its compositor: every message is passed on as it is, and what concerns memory is written down.
//!
//! The decoding is that of wl-proxy, which knows all messages of the protocols that it knows; a global of any other it cannot
//! pass on, so the program does not see it.

mod dmabuf;
mod errors;
mod shm;
mod surface;

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use wl_proxy::baseline::Baseline;
use wl_proxy::client::{Client, ClientHandler};
use wl_proxy::global_mapper::GlobalMapper;
use wl_proxy::object::{Object, ObjectCoreApi, ObjectRcUtils};
use wl_proxy::protocols::ObjectInterface;
use wl_proxy::protocols::linux_dmabuf_v1::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use wl_proxy::protocols::viewporter::wp_viewporter::WpViewporter;
use wl_proxy::protocols::wayland::wl_compositor::WlCompositor;
use wl_proxy::protocols::wayland::wl_display::{WlDisplay, WlDisplayHandler};
use wl_proxy::protocols::wayland::wl_registry::{WlRegistry, WlRegistryHandler};
use wl_proxy::protocols::wayland::wl_shm::WlShm;
use wl_proxy::state::{Destructor, State, StateError};

use crate::record::Connection;
use errors::{Ends, Errors, ProtocolError, chain};

/// The record of a connection, which all of its handlers write to.
pub(crate) type Record = Rc<RefCell<Connection>>;

/// Globals that are kept from the program: with these, buffers are given back by fences that pass the proxy by.
const FENCED: [ObjectInterface; 2] =
    [ObjectInterface::WpLinuxDrmSyncobjManagerV1, ObjectInterface::ZwpLinuxExplicitSynchronizationV1];

/// One connection being passed on.
pub(crate) struct Proxy {
    state: Rc<State>,
    client: Rc<Client>,
    ends: Rc<Ends>,
    record: Record,
}

impl Proxy {
    /// Joins a program's socket with a socket to the compositor.
    ///
    /// # Errors
    ///
    /// [`ProxyError`].
    pub fn new(program: UnixStream, compositor: UnixStream, record: &Record) -> Result<Self, ProxyError> {
        let ends = Rc::new(Ends { program: program.try_clone()?, compositor: compositor.try_clone()? });
        let state = State::builder(Baseline::V6).with_server_fd(&Rc::new(compositor.into())).build()?;
        state.set_handler(Errors { record: record.clone(), ends: ends.clone() });
        let client = state.add_client(&Rc::new(program.into()))?;
        client.set_handler(Last { _destructor: state.create_destructor() });
        client.display().set_handler(Display(record.clone()));
        Ok(Self { state, client, ends, record: record.clone() })
    }

    /// Becomes readable when there is something to do.
    pub fn poll_fd(&self) -> &OwnedFd {
        self.state.poll_fd()
    }

    /// Passes on what has come. False: the connection has ended.
    pub fn dispatch(&self) -> bool {
        // As soon as it is destroyed, nothing is known any more about the object of an error.
        if self.ends.hung_up()
            && let Some(error) = self.ends.last_words()
        {
            self.failed(error);
            return false;
        }
        match self.state.dispatch_available() {
            Ok(_) => self.state.is_not_destroyed(),
            Err(error) => {
                if self.record.borrow().error.is_none() {
                    match self.ends.last_words() {
                        Some(error) => self.failed(error),
                        None => self.record.borrow_mut().error = Some(chain(&error)),
                    }
                }
                false
            }
        }
    }

    /// Passes on an error that nobody has read.
    fn failed(&self, mut error: ProtocolError) {
        let mut objects = Vec::new();
        self.client.objects(&mut objects);
        let object = objects.iter().find(|object| object.server_id() == Some(error.object));
        error.interface = object.map(|object| object.interface().name());
        self.ends.tell(object.and_then(|object| object.client_id()).unwrap_or(1), &error);
        self.record.borrow_mut().error = Some(error.to_string());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.destroy();
    }
}

/// Why a connection cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("cannot join the program with its compositor")]
    State(#[from] StateError),
    #[error("cannot duplicate a socket")]
    Socket(#[from] std::io::Error),
}

/// Ends the state with its only client.
struct Last {
    _destructor: Destructor,
}

impl ClientHandler for Last {}

struct Display(Record);

impl WlDisplayHandler for Display {
    fn handle_get_registry(&mut self, slf: &Rc<WlDisplay>, registry: &Rc<WlRegistry>) {
        slf.send_get_registry(registry);
        registry.set_handler(Registry { record: self.0.clone(), globals: GlobalMapper::default() });
    }
}

struct Registry {
    record: Record,
    globals: GlobalMapper,
}

impl WlRegistryHandler for Registry {
    fn handle_global(&mut self, slf: &Rc<WlRegistry>, name: u32, interface: ObjectInterface, version: u32) {
        if FENCED.contains(&interface) {
            self.globals.ignore_global(name);
            return;
        }
        self.record.borrow_mut().shown.insert(interface.name().to_owned());
        self.globals.forward_global(slf, name, interface, version);
    }

    fn handle_global_remove(&mut self, slf: &Rc<WlRegistry>, name: u32) {
        self.globals.forward_global_remove(slf, name);
    }

    fn handle_bind(&mut self, slf: &Rc<WlRegistry>, name: u32, id: Rc<dyn Object>) {
        self.globals.forward_bind(slf, name, &id);
        match id.interface() {
            ObjectInterface::WlShm => {
                id.downcast::<WlShm>().set_handler(shm::Shm(self.record.clone()));
            }
            ObjectInterface::WlCompositor => {
                id.downcast::<WlCompositor>().set_handler(surface::Compositor(self.record.clone()));
            }
            ObjectInterface::WpViewporter => {
                id.downcast::<WpViewporter>().set_handler(surface::Viewporter);
            }
            ObjectInterface::ZwpLinuxDmabufV1 => {
                id.downcast::<ZwpLinuxDmabufV1>().set_handler(dmabuf::Dmabuf(self.record.clone()));
            }
            _ => {}
        }
    }
}
