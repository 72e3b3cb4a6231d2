//! Does a compositor get shared memory right? A suite of cases that can be run against any Wayland compositor.
//!
//! A [case] is one behaviour of a client and what must come of it. Each is run in a process of its own
//! ([`single`]) over a connection of its own ([`client`]), and judged twice: by what its client sees, and from outside
//! ([`suite`]): whether the compositor still answers others, and whether it has kept anything of the client that is gone.
//! The compositor is one that was started for the purpose, and is started again as often as it takes ([`target`],
//! [`presets`]), or one that runs already.

#![deny(unsafe_code)]

pub mod attack;
pub mod capture;
pub mod case;
pub mod cases;
pub mod client;
pub mod dmabufs;
pub mod expect;
pub mod feedback;
pub mod fences;
mod footprint;
pub mod format;
pub mod frames;
pub mod fuse;
pub mod hugepages;
pub mod keymap;
pub mod memory;
pub mod numbers;
pub mod presets;
pub mod screenshot;
pub mod session;
pub mod share;
pub mod single;
pub mod suite;
pub mod target;
pub mod timelines;
pub mod window;
pub mod wire;
