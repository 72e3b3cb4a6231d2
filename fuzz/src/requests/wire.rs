//! Wayland's wire format, and the interfaces it is spoken with.
//!
//! Nothing here knows the protocols: the requests of an interface and their arguments come from the tables that
//! wayland-scanner makes, so what is added to a protocol is fuzzed from then on.

use selkie_protocols::ledger::client::selkie_ledger_manager_v1::SelkieLedgerManagerV1;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::WpPresentation;
use selkie_protocols::upstream::wp::viewporter::client::wp_viewporter::WpViewporter;
use selkie_protocols::upstream::xdg::shell::client::xdg_wm_base::XdgWmBase;
use selkie_protocols::upstream::xdg::xdg_output::zv1::client::zxdg_output_manager_v1::ZxdgOutputManagerV1;
use selkie_protocols::wayland_client::Proxy;
use selkie_protocols::wayland_client::backend::protocol::Interface;
use selkie_protocols::wayland_client::protocol::{
    wl_compositor::WlCompositor, wl_data_device_manager::WlDataDeviceManager, wl_display::WlDisplay,
    wl_output::WlOutput, wl_registry::WlRegistry, wl_seat::WlSeat, wl_shm::WlShm,
    wl_subcompositor::WlSubcompositor,
};
use selkie_protocols::wlr::screencopy::v1::client::zwlr_screencopy_manager_v1::ZwlrScreencopyManagerV1;

/// `wl_display`, which is object 1.
pub fn display() -> &'static Interface {
    WlDisplay::interface()
}

/// `wl_registry`.
pub fn registry() -> &'static Interface {
    WlRegistry::interface()
}

/// The interface of a global of that name.
///
/// # Panics
///
/// If the compositor offers something that is not fuzzed.
pub fn global(name: &str) -> &'static Interface {
    let all = [
        WlCompositor::interface(),
        WlSubcompositor::interface(),
        WlShm::interface(),
        WlSeat::interface(),
        WlOutput::interface(),
        WlDataDeviceManager::interface(),
        XdgWmBase::interface(),
        WpViewporter::interface(),
        WpPresentation::interface(),
        ZwpLinuxDmabufV1::interface(),
        SelkieLedgerManagerV1::interface(),
        ZxdgOutputManagerV1::interface(),
        ZwlrScreencopyManagerV1::interface(),
    ];
    let known = all.into_iter().find(|interface| interface.name == name);
    known.unwrap_or_else(|| panic!("{name} is offered, and not fuzzed"))
}

/// Bytes of a message that grows, argument by argument.
pub struct Message(Vec<u8>);

impl Message {
    /// A request of that number to that object.
    pub fn new(object: u32, opcode: u16) -> Self {
        let mut bytes = object.to_ne_bytes().to_vec();
        bytes.extend(u32::from(opcode).to_ne_bytes());
        Self(bytes)
    }

    /// `int`, `uint`, `fixed`, `object` or `new_id`.
    pub fn word(&mut self, word: u32) {
        self.0.extend(word.to_ne_bytes());
    }

    /// `string`, with its end, or `array`, without.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u32);
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// The message, its length filled in.
    pub fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() as u32) << 16;
        for (byte, more) in self.0[4..8].iter_mut().zip(length.to_ne_bytes()) {
            *byte |= more;
        }
        self.0
    }
}

/// A message that came.
pub struct Event {
    /// Whom it is for.
    pub object: u32,
    /// Its number.
    pub opcode: usize,
    body: Vec<u8>,
}

impl Event {
    /// Takes the first message off `bytes`, if it is there as a whole.
    pub fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let (object, second) = (word(0)?, word(4)?);
        let length = (second >> 16) as usize;
        assert!(length >= 8, "the compositor sends a message of {length} bytes");
        let body = bytes.get(8..length)?.to_vec();
        bytes.drain(..length);
        Some(Self { object, opcode: (second & 0xffff) as usize, body })
    }

    /// The word at an offset in bytes, if there is one.
    pub fn word(&self, at: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(self.body.get(at..at + 4)?.try_into().ok()?))
    }

    /// The string at an offset in bytes, and the offset of what follows.
    pub fn text(&self, at: usize) -> Option<(String, usize)> {
        let length = self.word(at)? as usize;
        let text = self.body.get(at + 4..(at + 3 + length))?;
        Some((String::from_utf8_lossy(text).into_owned(), at + 4 + length.next_multiple_of(4)))
    }
}
