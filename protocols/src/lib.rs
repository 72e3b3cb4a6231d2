//! Wayland protocols for selkie: its own, generated from the XML beside this crate, and the upstream
//! ones re-exported, so that compositor and client cannot disagree on a version.
//!
//! The features `client` and `server` choose which side's bindings are built; with neither, the
//! crate is empty.

#![deny(unsafe_code)]

#[cfg(any(feature = "client", feature = "server"))]
pub use wayland_protocols as upstream;
#[cfg(any(feature = "client", feature = "server"))]
pub use wayland_protocols_wlr as wlr;

#[cfg(feature = "client")]
pub use wayland_client;
#[cfg(feature = "server")]
pub use wayland_server;

/// What a compositor knows about a client's buffer: `selkie-ledger-v1.xml`.
///
/// The interfaces are `selkie_ledger_manager_v1` (the global) and `selkie_buffer_record_v1` (one
/// snapshot of one buffer).
#[cfg(any(feature = "client", feature = "server"))]
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
#[allow(dead_code, unused_imports, unused_unsafe, unused_variables)]
#[allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
pub mod ledger {
    /// Client side of the protocol.
    #[cfg(feature = "client")]
    pub mod client {
        use wayland_client;
        use wayland_client::protocol::*;

        pub mod __interfaces {
            use wayland_client::protocol::__interfaces::*;
            wayland_scanner::generate_interfaces!("./selkie-ledger-v1.xml");
        }
        use self::__interfaces::*;
        wayland_scanner::generate_client_code!("./selkie-ledger-v1.xml");
    }

    /// Server side of the protocol.
    #[cfg(feature = "server")]
    pub mod server {
        use wayland_server;
        use wayland_server::protocol::*;

        pub mod __interfaces {
            use wayland_server::protocol::__interfaces::*;
            wayland_scanner::generate_interfaces!("./selkie-ledger-v1.xml");
        }
        use self::__interfaces::*;
        wayland_scanner::generate_server_code!("./selkie-ledger-v1.xml");
    }
}

/// How weston up to version 11 gives pictures of its outputs, the client's side: `weston-screenshooter.xml`.
#[cfg(feature = "client")]
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
#[allow(dead_code, unused_imports, unused_unsafe, unused_variables)]
#[allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
pub mod weston_screenshooter {
    use wayland_client;
    use wayland_client::protocol::*;

    pub mod __interfaces {
        use wayland_client::protocol::__interfaces::*;
        wayland_scanner::generate_interfaces!("./weston-screenshooter.xml");
    }
    use self::__interfaces::*;
    wayland_scanner::generate_client_code!("./weston-screenshooter.xml");
}
