//! A client for tests: it writes down what it is told.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use selkie_protocols::upstream::xdg::shell::client::xdg_popup::{self, XdgPopup};
use selkie_protocols::upstream::xdg::shell::client::xdg_positioner::{self, XdgPositioner};
use selkie_protocols::upstream::xdg::shell::client::xdg_surface::{self, XdgSurface};
use selkie_protocols::upstream::xdg::shell::client::xdg_toplevel::{self, XdgToplevel};
use selkie_protocols::upstream::xdg::shell::client::xdg_wm_base::{self, XdgWmBase};
use shm_core::own::OwnMemory;
use shm_core::seals::Seals;
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::protocol::wl_compositor::WlCompositor;
use wayland_client::protocol::wl_pointer::{self, WlPointer};
use wayland_client::protocol::wl_region::WlRegion;
use wayland_client::protocol::wl_registry::{self, WlRegistry};
use wayland_client::protocol::wl_seat::WlSeat;
use wayland_client::protocol::wl_shm::{self, WlShm};
use wayland_client::protocol::wl_shm_pool::WlShmPool;
use wayland_client::protocol::wl_subcompositor::WlSubcompositor;
use wayland_client::protocol::wl_subsurface::WlSubsurface;
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Connection, Dispatch, EventQueue, Proxy, QueueHandle, WEnum, delegate_noop};

use crate::server::Server;
use crate::surface::SurfaceId;

/// What a test calls an object; events are written down under that name.
type Name = &'static str;

/// What the client knows.
#[derive(Default)]
pub(crate) struct Seen {
    globals: Vec<(u32, String, u32)>,
    /// What it was told since the log was last taken.
    pub log: Vec<String>,
    serials: HashMap<Name, u32>,
    acked: HashSet<u32>,
    synced: u32,
    pub pings: Vec<u32>,
    /// The serial of the last button press.
    pub press: Option<u32>,
    /// The last table of formats of dma-bufs, what is in it, and device and flags of the last tranche.
    pub table: Option<OwnedFd>,
    pub pairs: Vec<(u32, u64)>,
    pub device: u64,
    pub flags: u32,
    /// Whether pings are left without an answer.
    pub mute: bool,
}

/// A connection and the globals that tests use.
pub(crate) struct Client {
    conn: Connection,
    queue: EventQueue<Seen>,
    pub qh: QueueHandle<Seen>,
    pub registry: WlRegistry,
    pub seen: Seen,
    /// The server's number of it.
    key: u64,
    asked: u32,
    bound: Option<Globals>,
}

/// The globals.
#[derive(Clone)]
pub(crate) struct Globals {
    pub compositor: WlCompositor,
    pub subcompositor: WlSubcompositor,
    pub shm: WlShm,
    pub base: XdgWmBase,
    pub seat: WlSeat,
}

/// A surface with an `xdg_surface`, and an `xdg_toplevel` or an `xdg_popup`.
#[derive(Clone)]
pub(crate) struct Window {
    pub name: Name,
    /// The server's number of its client.
    client: u64,
    pub surface: WlSurface,
    pub xdg: XdgSurface,
    pub toplevel: Option<XdgToplevel>,
    pub popup: Option<XdgPopup>,
}

impl Window {
    /// The server's number of it.
    pub fn id(&self, server: &Server) -> SurfaceId {
        use wayland_server::Resource;
        let number = self.surface.id().protocol_id();
        let mut all = server.surfaces.iter();
        let ours = all.find(|(_, s)| s.client.key == self.client && s.resource.id().protocol_id() == number);
        ours.expect("the server has the surface").0
    }

    /// Its `xdg_toplevel`.
    pub fn toplevel(&self) -> &XdgToplevel {
        self.toplevel.as_ref().expect("it is a window")
    }

    /// Its `xdg_popup`.
    pub fn popup(&self) -> &XdgPopup {
        self.popup.as_ref().expect("it is a popup")
    }
}

impl Client {
    pub(super) fn new(stream: UnixStream, key: u64) -> Self {
        let conn = Connection::from_socket(stream).expect("a connection");
        let queue = conn.new_event_queue();
        let qh = queue.handle();
        let registry = conn.display().get_registry(&qh, ());
        Self { conn, queue, qh, registry, seen: Seen::default(), key, asked: 0, bound: None }
    }

    pub(super) fn bind(&mut self) {
        self.bound = Some(Globals {
            compositor: self.global(6).expect("wl_compositor"),
            subcompositor: self.global(1).expect("wl_subcompositor"),
            shm: self.global(1).expect("wl_shm"),
            base: self.global(6).expect("xdg_wm_base"),
            seat: self.global(5).expect("wl_seat"),
        });
        self.globals().seat.get_pointer(&self.qh, ());
    }

    /// Binds the first global of a kind, at `version` or as far as the server goes.
    pub fn global<I: Proxy + 'static>(&self, version: u32) -> Option<I>
    where
        Seen: Dispatch<I, ()>,
    {
        let (name, _, max) = self.seen.globals.iter().find(|(_, i, _)| i == I::interface().name)?;
        Some(self.registry.bind(*name, version.min(*max), &self.qh, ()))
    }

    /// The globals.
    pub fn globals(&self) -> &Globals {
        self.bound.as_ref().expect("the globals are bound")
    }

    pub(super) fn sync(&mut self) -> u32 {
        self.conn.display().sync(&self.qh, ());
        self.asked += 1;
        self.asked
    }

    pub(super) fn synced(&self) -> u32 {
        self.seen.synced
    }

    /// Sends what is to be sent. What was told comes first: after a failed write, wayland-client reads
    /// no more, and would never see the error that ended it.
    pub fn flush(&self) {
        if let Some(guard) = self.conn.prepare_read() {
            let _ = guard.read();
        }
        let _ = self.conn.flush();
    }

    pub(super) fn dispatch(&mut self) {
        self.flush();
        let _ = self.queue.dispatch_pending(&mut self.seen);
    }

    /// Interface and code of the error that ended it.
    pub fn error(&self) -> Option<(String, u32)> {
        self.conn.protocol_error().map(|e| (e.object_interface, e.code))
    }

    /// What it was told since the last call.
    pub fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen.log)
    }

    /// The last configure event's serial.
    pub fn serial(&self, window: &Window) -> u32 {
        self.seen.serials[window.name]
    }

    /// Whether there is a configure event of it that was not acked yet.
    pub fn has_serial(&self, window: &Window) -> bool {
        self.seen.serials.contains_key(window.name) && !self.seen.acked.contains(&self.serial(window))
    }

    /// A surface.
    pub fn surface(&self) -> WlSurface {
        self.globals().compositor.create_surface(&self.qh, ())
    }

    /// A window that was not committed yet.
    pub fn window(&self, name: Name) -> Window {
        let surface = self.surface();
        let xdg = self.globals().base.get_xdg_surface(&surface, &self.qh, name);
        let toplevel = xdg.get_toplevel(&self.qh, name);
        toplevel.set_title(name.to_owned());
        Window { name, client: self.key, surface, xdg, toplevel: Some(toplevel), popup: None }
    }

    /// A popup that was not committed yet.
    pub fn popup(&self, name: Name, parent: &Window, positioner: &XdgPositioner) -> Window {
        let surface = self.surface();
        let xdg = self.globals().base.get_xdg_surface(&surface, &self.qh, name);
        let popup = xdg.get_popup(Some(&parent.xdg), positioner, &self.qh, name);
        Window { name, client: self.key, surface, xdg, toplevel: None, popup: Some(popup) }
    }

    /// Rules: a popup of that size at the bottom right of a point of its parent.
    pub fn positioner(&self, size: (i32, i32), at: (i32, i32)) -> XdgPositioner {
        let positioner = self.globals().base.create_positioner(&self.qh, ());
        positioner.set_size(size.0, size.1);
        positioner.set_anchor_rect(at.0, at.1, 1, 1);
        positioner.set_anchor(xdg_positioner::Anchor::TopLeft);
        positioner.set_gravity(xdg_positioner::Gravity::BottomRight);
        positioner
    }

    /// A buffer of one colour, 0xRRGGBB, in sealed memory.
    pub fn buffer(&self, size: (i32, i32), color: u32) -> WlBuffer {
        let (w, h) = (size.0 as usize, size.1 as usize);
        let seals = Some(Seals::SHRINK | Seals::GROW | Seals::SEAL);
        let mut memory = OwnMemory::create("selkie-test", (w * h * 4) as u64, seals).expect("memory");
        let row = vec![color; w];
        for y in 0..h {
            memory.write_row(y * w * 4, &row).expect("a row");
        }
        let pool = self.globals().shm.create_pool(memory.fd().as_fd(), size.0 * size.1 * 4, &self.qh, ());
        let buffer =
            pool.create_buffer(0, size.0, size.1, size.0 * 4, wl_shm::Format::Xrgb8888, &self.qh, ());
        pool.destroy();
        // The pool's fd is a duplicate that goes out with the next flush.
        self.flush();
        buffer
    }

    /// Attaches a buffer of one colour and commits.
    pub fn draw(&self, surface: &WlSurface, size: (i32, i32), color: u32) {
        surface.attach(Some(&self.buffer(size, color)), 0, 0);
        surface.damage_buffer(0, 0, i32::MAX, i32::MAX);
        surface.commit();
    }

    /// Acks the last configure event.
    pub fn ack(&mut self, window: &Window) {
        let serial = self.serial(window);
        self.seen.acked.insert(serial);
        window.xdg.ack_configure(serial);
    }
}

impl super::Fixture {
    /// A window that shows, of that size and colour; the client has forgotten what it was told.
    pub fn map(&mut self, client: &mut Client, name: Name, size: (i32, i32), color: u32) -> Window {
        let window = client.window(name);
        self.show(client, &window, size, color);
        window
    }

    /// Takes a window or popup from its first commit to the screen.
    pub fn show(&mut self, client: &mut Client, window: &Window, size: (i32, i32), color: u32) {
        window.surface.commit();
        self.roundtrip(client);
        client.ack(window);
        client.draw(&window.surface, size, color);
        self.roundtrip(client);
        assert_eq!(client.error(), None);
        client.log();
    }
}

impl Dispatch<WlRegistry, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &WlRegistry,
        event: wl_registry::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_registry::Event::Global { name, interface, version } = event {
            seen.globals.push((name, interface, version));
        }
    }
}

impl Dispatch<WlCallback, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &WlCallback,
        _: wl_callback::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        seen.synced += 1;
    }
}

impl Dispatch<XdgWmBase, ()> for Seen {
    fn event(
        seen: &mut Self,
        base: &XdgWmBase,
        event: xdg_wm_base::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_wm_base::Event::Ping { serial } = event {
            seen.pings.push(serial);
            if !seen.mute {
                base.pong(serial);
            }
        }
    }
}

impl Dispatch<XdgSurface, Name> for Seen {
    fn event(
        seen: &mut Self,
        _: &XdgSurface,
        event: xdg_surface::Event,
        name: &Name,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_surface::Event::Configure { serial } = event {
            seen.serials.insert(name, serial);
        }
    }
}

/// The values of an array argument, in words.
fn words<T>(array: &[u8]) -> String
where
    T: TryFrom<u32> + std::fmt::Debug,
{
    let values = array.chunks_exact(4).map(|b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
    let words = values.map(|v| T::try_from(v).map_or(format!("{v}?"), |v| format!("{v:?}")));
    words.collect::<Vec<_>>().join(" ")
}

impl Dispatch<XdgToplevel, Name> for Seen {
    fn event(
        seen: &mut Self,
        _: &XdgToplevel,
        event: xdg_toplevel::Event,
        name: &Name,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use xdg_toplevel::{Event, State, WmCapabilities};
        seen.log.push(match event {
            Event::Configure { width, height, states } => {
                format!("{name}: {width}x{height} [{}]", words::<State>(&states))
            }
            Event::ConfigureBounds { width, height } => format!("{name}: bounds {width}x{height}"),
            Event::WmCapabilities { capabilities } => {
                format!("{name}: can {}", words::<WmCapabilities>(&capabilities))
            }
            Event::Close => format!("{name}: close"),
            _ => return,
        });
    }
}

impl Dispatch<XdgPopup, Name> for Seen {
    fn event(
        seen: &mut Self,
        _: &XdgPopup,
        event: xdg_popup::Event,
        name: &Name,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use xdg_popup::Event;
        seen.log.push(match event {
            Event::Configure { x, y, width, height } => format!("{name}: {width}x{height} at {x},{y}"),
            Event::Repositioned { token } => format!("{name}: repositioned {token}"),
            Event::PopupDone => format!("{name}: done"),
            _ => return,
        });
    }
}

impl Dispatch<WlPointer, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &WlPointer,
        event: wl_pointer::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use wl_pointer::{ButtonState, Event};
        if let Event::Button { serial, state: WEnum::Value(ButtonState::Pressed), .. } = event {
            seen.press = Some(serial);
        }
    }
}

delegate_noop!(Seen: ignore WlCompositor);
delegate_noop!(Seen: ignore WlSubcompositor);
delegate_noop!(Seen: ignore WlSubsurface);
delegate_noop!(Seen: ignore WlShm);
delegate_noop!(Seen: ignore WlRegion);
delegate_noop!(Seen: ignore WlShmPool);
delegate_noop!(Seen: ignore WlBuffer);
delegate_noop!(Seen: ignore WlSurface);
delegate_noop!(Seen: ignore WlSeat);
delegate_noop!(Seen: ignore XdgPositioner);
