//! One file per global: requests are decoded and checked here, and the rooms do the rest.

pub(crate) mod compositor;
pub(crate) mod data_device;
pub(crate) mod dmabuf_feedback;
mod dmabuf_params;
#[cfg(test)]
mod dmabuf_tests;
pub(crate) mod drm_syncobj;
pub(crate) mod ledger;
pub(crate) mod linux_dmabuf;
pub(crate) mod output;
pub(crate) mod presentation;
pub(crate) mod screencopy;
pub(crate) mod seat;
pub(crate) mod shm;
pub(crate) mod subcompositor;
pub(crate) mod surface;
pub(crate) mod viewporter;
pub(crate) mod xdg_output;
pub(crate) mod xdg_popup;
pub(crate) mod xdg_positioner;
pub(crate) mod xdg_surface;
pub(crate) mod xdg_toplevel;
pub(crate) mod xdg_wm_base;

use wayland_server::DisplayHandle;

/// Advertises every global that works on every backend.
pub(crate) fn advertise(display: &DisplayHandle) {
    compositor::advertise(display);
    subcompositor::advertise(display);
    shm::advertise(display);
    viewporter::advertise(display);
    presentation::advertise(display);
    output::advertise(display);
    xdg_output::advertise(display);
    ledger::advertise(display);
}

/// What every global's bind needs, spelled once.
macro_rules! global {
    ($interface:ty, $version:expr, |$server:ident, $client:ident, $object:ident, $init:ident| $bind:block) => {
        /// Advertises the global.
        pub(crate) fn advertise(display: &wayland_server::DisplayHandle) {
            display.create_global::<crate::server::Server, $interface, ()>($version, ());
        }

        impl wayland_server::GlobalDispatch<$interface, ()> for crate::server::Server {
            fn bind(
                $server: &mut crate::server::Server,
                _: &wayland_server::DisplayHandle,
                $client: &wayland_server::Client,
                $object: wayland_server::New<$interface>,
                _: &(),
                $init: &mut wayland_server::DataInit<'_, crate::server::Server>,
            ) {
                $bind
            }
        }
    };
}
pub(crate) use global;
