//! A client that writes down what it is told.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use selkie_compositor::Remote;
use selkie_protocols::upstream::xdg::shell::client::{
    xdg_popup, xdg_positioner, xdg_surface, xdg_toplevel, xdg_wm_base,
};
use shm_core::{memfd, seals::Seals};
use wayland_client::backend::{ObjectId, WaylandError};
use wayland_client::globals::{GlobalListContents, registry_queue_init};
use wayland_client::protocol::{
    wl_buffer, wl_compositor, wl_data_device, wl_data_device_manager, wl_data_offer, wl_data_source,
    wl_keyboard, wl_pointer, wl_registry, wl_seat, wl_shm, wl_shm_pool, wl_surface,
};
use wayland_client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, WEnum, delegate_noop, event_created_child,
};

use super::fixture::{Fixture, settle};

/// What a client knows.
#[derive(Default)]
pub struct State {
    log: Vec<String>,
    names: HashMap<ObjectId, &'static str>,
    /// The last serial of each kind of event.
    pub serials: HashMap<&'static str, u32>,
    pub offers: Vec<wl_data_offer::WlDataOffer>,
    /// What `wl_data_source.send` brought.
    pub sent: Vec<OwnedFd>,
    pub keymap: Option<(OwnedFd, u32)>,
}

pub struct Client {
    remote: Remote,
    pub connection: Connection,
    queue: EventQueue<State>,
    pub state: State,
    /// What it was told at the beginning.
    pub first: Vec<String>,
    pub compositor: wl_compositor::WlCompositor,
    shm: wl_shm::WlShm,
    pub shell: xdg_wm_base::XdgWmBase,
    pub seat: wl_seat::WlSeat,
    pub manager: wl_data_device_manager::WlDataDeviceManager,
    pub pointer: wl_pointer::WlPointer,
    pub keyboard: wl_keyboard::WlKeyboard,
    pub device: wl_data_device::WlDataDevice,
}

/// A window that shows.
pub struct Window {
    pub surface: wl_surface::WlSurface,
    pub xdg: xdg_surface::XdgSurface,
    pub toplevel: xdg_toplevel::XdgToplevel,
}

impl Client {
    /// A client with the newest seat.
    pub fn new(fixture: &Fixture) -> Self {
        Self::with_versions(fixture, 11, 3)
    }

    /// A client with these versions of `wl_seat` and `wl_data_device_manager`.
    pub fn with_versions(fixture: &Fixture, seat: u32, manager: u32) -> Self {
        let connection = Connection::from_socket(fixture.connect("seat test")).unwrap();
        let (globals, queue) = registry_queue_init::<State>(&connection).unwrap();
        let qh = queue.handle();
        let seat: wl_seat::WlSeat = globals.bind(&qh, seat..=seat, ()).unwrap();
        let manager: wl_data_device_manager::WlDataDeviceManager =
            globals.bind(&qh, manager..=manager, ()).unwrap();
        let mut client = Self {
            remote: fixture.remote.clone(),
            connection,
            state: State::default(),
            first: Vec::new(),
            compositor: globals.bind(&qh, 5..=6, ()).unwrap(),
            shm: globals.bind(&qh, 1..=1, ()).unwrap(),
            shell: globals.bind(&qh, 1..=5, ()).unwrap(),
            pointer: seat.get_pointer(&qh, ()),
            keyboard: seat.get_keyboard(&qh, ()),
            device: manager.get_data_device(&seat, &qh, ()),
            manager,
            seat,
            queue,
        };
        client.first = client.events();
        client
    }

    pub fn handle(&self) -> QueueHandle<State> {
        self.queue.handle()
    }

    /// What it was told since the last time.
    pub fn events(&mut self) -> Vec<String> {
        self.queue.roundtrip(&mut self.state).unwrap();
        settle(&self.remote);
        self.queue.roundtrip(&mut self.state).unwrap();
        std::mem::take(&mut self.state.log)
    }

    /// Whether all that it said was taken.
    pub fn goes_on(&mut self) -> bool {
        self.queue.roundtrip(&mut self.state).is_ok()
    }

    /// The protocol error that ended it: interface, code and message.
    ///
    /// Nothing is answered meanwhile: once a write has failed, wayland-client reads no more, and an answer may
    /// come to a connection that has been closed.
    pub fn error(&mut self) -> (String, u32, String) {
        // If it has not been told yet.
        let _ = self.connection.flush();
        let patience = Timespec { tv_sec: 60, tv_nsec: 0 };
        let error = loop {
            if let Some(error) = self.connection.protocol_error() {
                break error;
            }
            self.queue.dispatch_pending(&mut self.state).unwrap();
            let Some(guard) = self.connection.prepare_read() else { continue };
            let ready = poll(&mut [PollFd::new(&guard.connection_fd(), PollFlags::IN)], Some(&patience));
            assert_ne!(ready, Ok(0), "no protocol error came");
            match guard.read() {
                Ok(_) | Err(WaylandError::Protocol(_)) => {}
                Err(WaylandError::Io(e)) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("no protocol error came, but {error}"),
            }
        };
        (error.object_interface, error.code, error.message)
    }

    pub fn serial(&self, event: &str) -> u32 {
        self.state.serials[event]
    }

    pub fn name(&mut self, object: &impl Proxy, name: &'static str) {
        self.state.names.insert(object.id(), name);
    }

    pub fn surface(&mut self, name: &'static str) -> wl_surface::WlSurface {
        let surface = self.compositor.create_surface(&self.handle(), ());
        self.name(&surface, name);
        surface
    }

    /// An opaque buffer of that size and colour.
    pub fn buffer(&self, (w, h): (i32, i32), colour: u32) -> wl_buffer::WlBuffer {
        let size = w * h * 4;
        let fd = memfd::create("seat-test", size as u64, Some(Seals::empty())).unwrap();
        let bytes: Vec<u8> = (0..w * h).flat_map(|_| colour.to_ne_bytes()).collect();
        rustix::io::pwrite(&fd, &bytes, 0).unwrap();
        Seals::add(&fd, Seals::SHRINK).unwrap();
        let pool = self.shm.create_pool(fd.as_fd(), size, &self.handle(), ());
        let buffer = pool.create_buffer(0, w, h, w * 4, wl_shm::Format::Xrgb8888, &self.handle(), ());
        pool.destroy();
        buffer
    }

    /// Gives a surface content of that size.
    pub fn show(&self, surface: &wl_surface::WlSurface, size: (i32, i32)) {
        surface.attach(Some(&self.buffer(size, 0xffff_ffff)), 0, 0);
        surface.damage_buffer(0, 0, size.0, size.1);
        surface.commit();
    }

    /// A window of 80x80 that shows; the first one's corner is at 10,10, the second one's at 110,10.
    pub fn window(&mut self, name: &'static str) -> Window {
        let surface = self.surface(name);
        let xdg = self.shell.get_xdg_surface(&surface, &self.handle(), ());
        let toplevel = xdg.get_toplevel(&self.handle(), ());
        surface.commit();
        self.queue.roundtrip(&mut self.state).unwrap();
        self.show(&surface, (80, 80));
        Window { surface, xdg, toplevel }
    }

    /// A popup of 20x20 at 30,30 of the window, with a grab if there is a serial.
    pub fn popup(&mut self, name: &'static str, parent: &Window, grab: Option<u32>) -> wl_surface::WlSurface {
        let surface = self.surface(name);
        let qh = self.handle();
        let positioner = self.shell.create_positioner(&qh, ());
        positioner.set_size(20, 20);
        positioner.set_anchor_rect(30, 30, 1, 1);
        positioner.set_anchor(xdg_positioner::Anchor::TopLeft);
        positioner.set_gravity(xdg_positioner::Gravity::BottomRight);
        let xdg = self.shell.get_xdg_surface(&surface, &qh, ());
        let popup = xdg.get_popup(Some(&parent.xdg), &positioner, &qh, ());
        if let Some(serial) = grab {
            popup.grab(&self.seat, serial);
        }
        surface.commit();
        self.queue.roundtrip(&mut self.state).unwrap();
        self.show(&surface, (20, 20));
        surface
    }

    /// A source of those mime types.
    pub fn source(&mut self, mimes: &[&str]) -> wl_data_source::WlDataSource {
        let source = self.manager.create_data_source(&self.handle(), ());
        for mime in mimes {
            source.offer((*mime).into());
        }
        source
    }

    /// The last offer it got.
    pub fn offer(&self) -> wl_data_offer::WlDataOffer {
        self.state.offers.last().unwrap().clone()
    }
}

impl State {
    fn say(&mut self, text: impl Into<String>) {
        self.log.push(text.into());
    }

    fn name(&self, object: &impl Proxy) -> &'static str {
        self.names.get(&object.id()).copied().unwrap_or("?")
    }
}

/// An enum's value as its number.
fn n<T: Into<u32>>(value: WEnum<T>) -> u32
where
    u32: From<WEnum<T>>,
{
    value.into()
}

fn down(pressed: u32) -> &'static str {
    if pressed == 1 { "down" } else { "up" }
}

macro_rules! listen {
    ($interface:ty, |$state:ident, $object:ident, $event:ident| $body:block) => {
        impl Dispatch<$interface, ()> for State {
            fn event(
                $state: &mut Self,
                $object: &$interface,
                $event: <$interface as Proxy>::Event,
                _: &(),
                _: &Connection,
                _: &QueueHandle<Self>,
            ) {
                $body
            }
        }
    };
}

listen!(wl_pointer::WlPointer, |state, _pointer, event| {
    use wl_pointer::Event;
    match event {
        Event::Enter { serial, surface, surface_x: x, surface_y: y } => {
            state.serials.insert("enter", serial);
            let name = state.name(&surface);
            state.say(format!("enter {name} {x},{y}"));
        }
        Event::Leave { surface, .. } => {
            let name = state.name(&surface);
            state.say(format!("leave {name}"));
        }
        Event::Motion { time, surface_x: x, surface_y: y } => state.say(format!("motion {x},{y} at {time}")),
        Event::Warp { surface_x: x, surface_y: y } => state.say(format!("warp {x},{y}")),
        Event::Button { serial, time, button, state: pressed } => {
            let pressed = down(n(pressed));
            state.serials.insert(if pressed == "down" { "press" } else { "release" }, serial);
            state.say(format!("button {button:#x} {pressed} at {time}"));
        }
        Event::Axis { axis, value, time } => state.say(format!("axis {} {value} at {time}", n(axis))),
        Event::AxisSource { axis_source } => state.say(format!("source {}", n(axis_source))),
        Event::AxisStop { axis, time } => state.say(format!("stop {} at {time}", n(axis))),
        Event::AxisDiscrete { axis, discrete } => state.say(format!("discrete {} {discrete}", n(axis))),
        Event::AxisValue120 { axis, value120 } => state.say(format!("value120 {} {value120}", n(axis))),
        Event::AxisRelativeDirection { axis, direction } => {
            state.say(format!("direction {} {}", n(axis), n(direction)));
        }
        Event::Frame => state.say("frame"),
        other => panic!("{other:?}"),
    }
});

listen!(wl_keyboard::WlKeyboard, |state, _keyboard, event| {
    use wl_keyboard::Event;
    match event {
        Event::Keymap { format, fd, size } => {
            state.say(format!("keymap {}", n(format)));
            state.keymap = Some((fd, size));
        }
        Event::Enter { serial, surface, keys } => {
            let keys: Vec<u32> =
                keys.chunks_exact(4).map(|k| u32::from_ne_bytes(k.try_into().unwrap())).collect();
            state.serials.insert("keyboard", serial);
            let name = state.name(&surface);
            state.say(format!("keyboard {name} {keys:?}"));
        }
        Event::Leave { surface, .. } => {
            let name = state.name(&surface);
            state.say(format!("no keyboard {name}"));
        }
        Event::Key { serial, time, key, state: pressed } => {
            state.serials.insert("key", serial);
            state.say(format!("key {key} {} at {time}", down(n(pressed))));
        }
        Event::Modifiers { mods_depressed, mods_latched, mods_locked, group, .. } => {
            state.say(format!("modifiers {mods_depressed},{mods_latched},{mods_locked},{group}"));
        }
        Event::RepeatInfo { rate, delay } => state.say(format!("repeat {rate},{delay}")),
        other => panic!("{other:?}"),
    }
});

impl Dispatch<wl_data_device::WlDataDevice, ()> for State {
    fn event(
        state: &mut Self,
        _: &wl_data_device::WlDataDevice,
        event: wl_data_device::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use wl_data_device::Event;
        let kind = |offer: &Option<wl_data_offer::WlDataOffer>| match offer {
            Some(_) => "offer",
            None => "nothing",
        };
        match event {
            Event::DataOffer { id } => {
                state.offers.push(id);
                state.say("offer");
            }
            Event::Selection { id } => state.say(format!("selection {}", kind(&id))),
            Event::Enter { surface, x, y, id, .. } => {
                let name = state.name(&surface);
                state.say(format!("drag enter {name} {x},{y} {}", kind(&id)));
            }
            Event::Leave => state.say("drag leave"),
            Event::Motion { time, x, y } => state.say(format!("drag motion {x},{y} at {time}")),
            Event::Drop => state.say("drop"),
            other => panic!("{other:?}"),
        }
    }

    event_created_child!(State, wl_data_device::WlDataDevice, [
        wl_data_device::EVT_DATA_OFFER_OPCODE => (wl_data_offer::WlDataOffer, ()),
    ]);
}

listen!(wl_data_offer::WlDataOffer, |state, _offer, event| {
    use wl_data_offer::Event;
    match event {
        Event::Offer { mime_type } => state.say(format!("mime {mime_type}")),
        Event::SourceActions { source_actions } => state.say(format!("source actions {}", n(source_actions))),
        Event::Action { dnd_action } => state.say(format!("action {}", n(dnd_action))),
        other => panic!("{other:?}"),
    }
});

listen!(wl_data_source::WlDataSource, |state, _source, event| {
    use wl_data_source::Event;
    match event {
        Event::Target { mime_type } => {
            state.say(format!("target {}", mime_type.as_deref().unwrap_or("none")))
        }
        Event::Send { mime_type, fd } => {
            state.say(format!("send {mime_type}"));
            state.sent.push(fd);
        }
        Event::Cancelled => state.say("cancelled"),
        Event::DndDropPerformed => state.say("drop performed"),
        Event::DndFinished => state.say("finished"),
        Event::Action { dnd_action } => state.say(format!("agreed {}", n(dnd_action))),
        other => panic!("{other:?}"),
    }
});

listen!(wl_seat::WlSeat, |state, _seat, event| {
    match event {
        wl_seat::Event::Capabilities { capabilities } => {
            state.say(format!("capabilities {}", n(capabilities)))
        }
        wl_seat::Event::Name { name } => state.say(format!("name {name}")),
        other => panic!("{other:?}"),
    }
});

listen!(xdg_surface::XdgSurface, |_state, surface, event| {
    if let xdg_surface::Event::Configure { serial } = event {
        surface.ack_configure(serial);
    }
});

listen!(xdg_wm_base::XdgWmBase, |_state, base, event| {
    if let xdg_wm_base::Event::Ping { serial } = event {
        base.pong(serial);
    }
});

listen!(xdg_popup::XdgPopup, |state, _popup, event| {
    if let xdg_popup::Event::PopupDone = event {
        state.say("popup done");
    }
});

impl Dispatch<wl_registry::WlRegistry, GlobalListContents> for State {
    fn event(
        _: &mut Self,
        _: &wl_registry::WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

delegate_noop!(State: ignore wl_compositor::WlCompositor);
delegate_noop!(State: ignore wl_surface::WlSurface);
delegate_noop!(State: ignore wl_shm::WlShm);
delegate_noop!(State: ignore wl_shm_pool::WlShmPool);
delegate_noop!(State: ignore wl_buffer::WlBuffer);
delegate_noop!(State: ignore wl_data_device_manager::WlDataDeviceManager);
delegate_noop!(State: ignore xdg_toplevel::XdgToplevel);
delegate_noop!(State: ignore xdg_positioner::XdgPositioner);
