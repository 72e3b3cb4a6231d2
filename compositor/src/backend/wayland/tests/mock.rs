//! A host of our own making, for what headless hosts have not: a seat, and a scale told in advance.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use selkie_protocols::upstream::xdg::shell::server::{xdg_surface, xdg_toplevel, xdg_wm_base};
use wayland_server::protocol::{
    wl_buffer, wl_callback, wl_compositor, wl_keyboard, wl_pointer, wl_seat, wl_shm, wl_shm_pool, wl_surface,
};
use wayland_server::{Client, DataInit, Dispatch, Display, DisplayHandle, GlobalDispatch, New, backend};

/// What a host heard, and what it needs to play its part.
#[derive(Default)]
pub struct Mock {
    pub titles: Vec<String>,
    pub pongs: Vec<u32>,
    pub buffer_scale: i32,
    /// Serials with which the pointer was hidden.
    pub hidden: Vec<u32>,
    surface: Option<wl_surface::WlSurface>,
    xdg_surface: Option<xdg_surface::XdgSurface>,
    toplevel: Option<xdg_toplevel::XdgToplevel>,
    pointer: Option<wl_pointer::WlPointer>,
    keyboard: Option<wl_keyboard::WlKeyboard>,
    configured: bool,
    attached: bool,
}

pub const KEYMAP: &[u8] = b"xkb_keymap {};\0";

/// Set when the client is gone.
#[derive(Default)]
struct Peer(AtomicBool);

impl backend::ClientData for Peer {
    fn disconnected(&self, _: backend::ClientId, _: backend::DisconnectReason) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Mock {
    /// Serves one client, in a thread that ends when the client does.
    pub fn start(socket: UnixListener) -> JoinHandle<Mock> {
        std::thread::spawn(move || {
            let mut display: Display<Mock> = Display::new().unwrap();
            let mut handle = display.handle();
            handle.create_global::<Mock, wl_compositor::WlCompositor, ()>(6, ());
            handle.create_global::<Mock, wl_shm::WlShm, ()>(1, ());
            handle.create_global::<Mock, xdg_wm_base::XdgWmBase, ()>(2, ());
            handle.create_global::<Mock, wl_seat::WlSeat, ()>(9, ());
            let (stream, _) = socket.accept().unwrap();
            let peer = Arc::new(Peer::default());
            handle.insert_client(stream, peer.clone()).unwrap();
            let mut mock = Mock::default();
            while !peer.0.load(Ordering::Relaxed) {
                let fd = display.as_fd().try_clone_to_owned().unwrap();
                let mut fds = [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::IN)];
                rustix::event::poll(&mut fds, None).unwrap();
                display.dispatch_clients(&mut mock).unwrap();
                display.flush_clients().unwrap();
            }
            mock
        })
    }

    fn committed(&mut self) {
        if !self.configured {
            self.configured = true;
            // Its size is ours to choose, and the scale is known before anything is shown.
            self.surface.as_ref().unwrap().preferred_buffer_scale(2);
            self.toplevel.as_ref().unwrap().configure(0, 0, Vec::new());
            self.xdg_surface.as_ref().unwrap().configure(1);
        } else if std::mem::take(&mut self.attached) {
            self.play();
        }
    }

    /// What happens when the window shows.
    fn play(&self) {
        let surface = self.surface.as_ref().unwrap();
        let (pointer, keyboard) = (self.pointer.as_ref().unwrap(), self.keyboard.as_ref().unwrap());
        pointer.enter(7, surface, 10.5, 20.25);
        pointer.frame();
        pointer.motion(1000, 11.0, 21.0);
        pointer.frame();
        pointer.button(8, 1001, 0x110, wl_pointer::ButtonState::Pressed);
        pointer.frame();
        pointer.axis_source(wl_pointer::AxisSource::Wheel);
        pointer.axis_value120(wl_pointer::Axis::VerticalScroll, -30);
        pointer.axis_relative_direction(
            wl_pointer::Axis::VerticalScroll,
            wl_pointer::AxisRelativeDirection::Inverted,
        );
        pointer.axis(1002, wl_pointer::Axis::VerticalScroll, -3.75);
        pointer.axis_stop(1003, wl_pointer::Axis::HorizontalScroll);
        pointer.frame();
        pointer.leave(9, surface);
        pointer.frame();
        keyboard.enter(10, surface, [30u32, 42].iter().flat_map(|k| k.to_ne_bytes()).collect());
        keyboard.modifiers(11, 1, 2, 3, 4);
        keyboard.key(12, 1004, 30, wl_keyboard::KeyState::Released);
        keyboard.leave(13, surface);
        self.toplevel.as_ref().unwrap().configure(50, 40, Vec::new());
        self.xdg_surface.as_ref().unwrap().configure(2);
        self.toplevel.as_ref().unwrap().close();
    }
}

macro_rules! global {
    ($interface:ty, |$mock:ident, $object:ident| $bound:expr) => {
        impl GlobalDispatch<$interface, ()> for Mock {
            fn bind(
                $mock: &mut Self,
                _: &DisplayHandle,
                _: &Client,
                new: New<$interface>,
                _: &(),
                init: &mut DataInit<'_, Self>,
            ) {
                let $object = init.init(new, ());
                $bound
            }
        }
    };
}

macro_rules! requests {
    ($interface:ty, |$mock:ident, $request:ident, $init:ident| $handle:expr) => {
        impl Dispatch<$interface, ()> for Mock {
            fn request(
                $mock: &mut Self,
                _: &Client,
                _: &$interface,
                $request: <$interface as wayland_server::Resource>::Request,
                _: &(),
                _: &DisplayHandle,
                $init: &mut DataInit<'_, Self>,
            ) {
                $handle
            }
        }
    };
}

global!(wl_compositor::WlCompositor, |_mock, _object| ());
global!(wl_shm::WlShm, |_mock, object| object.format(wl_shm::Format::Xrgb8888));
global!(xdg_wm_base::XdgWmBase, |_mock, object| object.ping(77));
global!(wl_seat::WlSeat, |_mock, object| {
    object.capabilities(wl_seat::Capability::Pointer | wl_seat::Capability::Keyboard);
});

requests!(wl_compositor::WlCompositor, |mock, request, init| {
    if let wl_compositor::Request::CreateSurface { id } = request {
        mock.surface = Some(init.init(id, ()));
    }
});
requests!(wl_shm::WlShm, |_mock, request, init| {
    if let wl_shm::Request::CreatePool { id, .. } = request {
        init.init(id, ());
    }
});
requests!(wl_shm_pool::WlShmPool, |_mock, request, init| {
    if let wl_shm_pool::Request::CreateBuffer { id, .. } = request {
        init.init(id, ());
    }
});
requests!(wl_buffer::WlBuffer, |_mock, _request, _init| ());
requests!(wl_surface::WlSurface, |mock, request, init| match request {
    wl_surface::Request::Attach { .. } => mock.attached = true,
    wl_surface::Request::SetBufferScale { scale } => mock.buffer_scale = scale,
    wl_surface::Request::Frame { callback } => drop(init.init(callback, ())),
    wl_surface::Request::Commit => mock.committed(),
    _ => {}
});
requests!(wl_callback::WlCallback, |_mock, _request, _init| ());
requests!(xdg_wm_base::XdgWmBase, |mock, request, init| match request {
    xdg_wm_base::Request::GetXdgSurface { id, .. } => mock.xdg_surface = Some(init.init(id, ())),
    xdg_wm_base::Request::Pong { serial } => mock.pongs.push(serial),
    _ => {}
});
requests!(xdg_surface::XdgSurface, |mock, request, init| {
    if let xdg_surface::Request::GetToplevel { id } = request {
        mock.toplevel = Some(init.init(id, ()));
    }
});
requests!(xdg_toplevel::XdgToplevel, |mock, request, _init| match request {
    xdg_toplevel::Request::SetTitle { title } => mock.titles.push(title),
    xdg_toplevel::Request::SetAppId { app_id } => mock.titles.push(app_id),
    _ => {}
});
requests!(wl_seat::WlSeat, |mock, request, init| match request {
    wl_seat::Request::GetPointer { id } => mock.pointer = Some(init.init(id, ())),
    wl_seat::Request::GetKeyboard { id } => {
        let keyboard = init.init(id, ());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(KEYMAP).unwrap();
        keyboard.keymap(wl_keyboard::KeymapFormat::XkbV1, file.as_fd(), KEYMAP.len() as u32);
        keyboard.repeat_info(25, 600);
        mock.keyboard = Some(keyboard);
    }
    _ => {}
});
requests!(wl_pointer::WlPointer, |mock, request, _init| {
    if let wl_pointer::Request::SetCursor { serial, surface: None, .. } = request {
        mock.hidden.push(serial);
    }
});
requests!(wl_keyboard::WlKeyboard, |_mock, _request, _init| ());
