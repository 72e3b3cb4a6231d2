//! A host that does as it is told: it gives buffers back, or asks for frames, when the test says so and not before. It shows
//! nothing, and counts what it is given.

use std::collections::{BTreeMap, HashMap};
use std::io::{PipeWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use rustix::event::{PollFd, PollFlags, poll};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::server::{
    zwp_linux_buffer_params_v1, zwp_linux_dmabuf_v1,
};
use selkie_protocols::upstream::wp::viewporter::server::{wp_viewport, wp_viewporter};
use selkie_protocols::upstream::xdg::shell::server::{xdg_surface, xdg_toplevel, xdg_wm_base};
use wayland_server::backend::{ClientData, ClientId, ObjectId};
use wayland_server::protocol::{
    wl_buffer, wl_callback, wl_compositor, wl_region, wl_shm, wl_shm_pool, wl_subcompositor, wl_subsurface,
    wl_surface,
};
use wayland_server::{Client, DataInit, Dispatch, Display, DisplayHandle, GlobalDispatch, New, Resource};

use super::{RuntimeDir, eventually};

/// What the host has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Objects that are there, by interface.
    pub live: BTreeMap<&'static str, usize>,
    /// Commits of the window.
    pub frames: usize,
    /// Buffers attached to subsurfaces.
    pub attached: usize,
    /// How many of them came to be seen at once, each time.
    pub together: Vec<usize>,
    /// Buffers that wait to be given back.
    pub held: usize,
    /// Frame callbacks that wait.
    pub asked: usize,
    /// Dma-bufs that it was asked to take: format, modifier, planes.
    pub dmabufs: Vec<(u32, u64, usize)>,
}

/// A way to arrange pixels that no CPU knows (`I915_FORMAT_MOD_Y_TILED`).
pub const TILED: u64 = 0x0100_0000_0000_0002;
/// `DRM_FORMAT_XRGB8888`.
const XR24: u32 = u32::from_le_bytes(*b"XR24");

/// What a test may have it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Give back every buffer that does not show any more.
    Release,
    /// Answer all frame callbacks.
    Frame,
    /// From now on, take no dma-bufs.
    TakeNone,
    /// From now on, answer each at once and give back each buffer at once.
    Behave,
}

/// The host.
pub struct Mock {
    /// Where its socket is.
    pub socket: PathBuf,
    seen: Arc<Mutex<Seen>>,
    orders: Sender<Order>,
    wake: PipeWriter,
    _dir: RuntimeDir,
}

impl Mock {
    /// Starts it, in a thread that ends when this is dropped.
    ///
    /// # Panics
    /// If there is no socket to be had.
    pub fn start() -> Self {
        let dir = RuntimeDir::new();
        let socket = dir.path().join("mock");
        let listener = UnixListener::bind(&socket).unwrap();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (orders, ordered) = channel();
        let (woken, wake) = std::io::pipe().unwrap();
        let state = State { seen: seen.clone(), ..State::default() };
        std::thread::spawn(move || serve(state, &listener, &woken, &ordered));
        Self { socket, seen, orders, wake, _dir: dir }
    }

    /// What it has seen so far.
    ///
    /// # Panics
    /// If it has ended.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until it has seen what is wanted.
    ///
    /// # Panics
    /// When the deadline passes first.
    pub fn until(&self, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        eventually(what, || {
            let seen = self.seen();
            if wanted(&seen) { Ok(seen) } else { Err(format!("{seen:?}")) }
        })
    }

    /// Has it do something.
    ///
    /// # Panics
    /// If it has ended.
    pub fn order(&self, order: Order) {
        self.orders.send(order).unwrap();
        (&self.wake).write_all(&[0]).unwrap();
    }
}

#[derive(Default)]
struct State {
    seen: Arc<Mutex<Seen>>,
    display: Option<DisplayHandle>,
    behaves: bool,
    takes_none: bool,
    /// Planes that were added to parameters, all of the same modifier.
    planes: HashMap<ObjectId, (u64, usize)>,
    window: Option<wl_surface::WlSurface>,
    xdg_surface: Option<xdg_surface::XdgSurface>,
    toplevel: Option<xdg_toplevel::XdgToplevel>,
    /// What is attached and not committed.
    pending: HashMap<ObjectId, Option<wl_buffer::WlBuffer>>,
    /// What shows.
    shows: HashMap<ObjectId, wl_buffer::WlBuffer>,
    /// Subsurfaces that do not wait for the window, by themselves and by their surfaces.
    desync: Vec<(wl_subsurface::WlSubsurface, ObjectId, bool)>,
    /// Buffers of subsurfaces that wait for the window.
    cached: usize,
    held: Vec<wl_buffer::WlBuffer>,
    callbacks: Vec<wl_callback::WlCallback>,
}

struct Peer;

impl ClientData for Peer {}

fn serve(mut state: State, listener: &UnixListener, woken: &std::io::PipeReader, ordered: &Receiver<Order>) {
    let mut display: Display<State> = Display::new().unwrap();
    let mut handle = display.handle();
    state.display = Some(handle.clone());
    handle.create_global::<State, wl_compositor::WlCompositor, ()>(6, ());
    handle.create_global::<State, wl_subcompositor::WlSubcompositor, ()>(1, ());
    handle.create_global::<State, wp_viewporter::WpViewporter, ()>(1, ());
    handle.create_global::<State, wl_shm::WlShm, ()>(1, ());
    handle.create_global::<State, zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1, ()>(3, ());
    handle.create_global::<State, xdg_wm_base::XdgWmBase, ()>(2, ());
    let (stream, _) = listener.accept().unwrap();
    handle.insert_client(stream, Arc::new(Peer)).unwrap();
    loop {
        let fd = display.as_fd().try_clone_to_owned().unwrap();
        let mut fds = [PollFd::new(&fd, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
        poll(&mut fds, None).unwrap();
        if fds[1].revents().contains(PollFlags::HUP) {
            return;
        }
        if fds[1].revents().contains(PollFlags::IN) {
            std::io::Read::read_exact(&mut &*woken, &mut [0]).unwrap();
            state.obey(ordered.recv().unwrap());
        }
        display.dispatch_clients(&mut state).unwrap();
        if state.behaves {
            state.release();
            state.frame();
        }
        let mut seen = state.seen.lock().unwrap();
        (seen.held, seen.asked) = (state.held.len(), state.callbacks.len());
        drop(seen);
        display.flush_clients().unwrap();
    }
}

impl State {
    fn obey(&mut self, order: Order) {
        match order {
            Order::Release => self.release(),
            Order::Frame => self.frame(),
            Order::TakeNone => self.takes_none = true,
            Order::Behave => self.behaves = true,
        }
    }

    fn release(&mut self) {
        let shows = &self.shows;
        self.held.retain(|buffer| {
            let ends = !shows.values().any(|b| b == buffer);
            if ends && buffer.is_alive() {
                buffer.release();
            }
            !ends
        });
    }

    fn frame(&mut self) {
        self.callbacks.drain(..).for_each(|callback| callback.done(0));
    }

    fn count(&mut self, interface: &'static str) {
        *self.seen.lock().unwrap().live.entry(interface).or_default() += 1;
    }

    fn commit(&mut self, surface: &wl_surface::WlSurface) {
        let is_window = self.window.as_ref() == Some(surface);
        if is_window {
            if let (Some(xdg_surface), Some(toplevel)) = (self.xdg_surface.take(), self.toplevel.take()) {
                toplevel.configure(400, 300, Vec::new());
                xdg_surface.configure(1);
                return;
            }
            let mut seen = self.seen.lock().unwrap();
            seen.frames += 1;
            seen.together.extend(Some(std::mem::take(&mut self.cached)).filter(|cached| *cached > 0));
        }
        let Some(attached) = self.pending.remove(&surface.id()) else { return };
        let before = match attached {
            Some(buffer) => {
                let mut seen = self.seen.lock().unwrap();
                seen.attached += usize::from(!is_window);
                let waits = !self.desync.iter().any(|(_, of, desync)| *of == surface.id() && *desync);
                match (is_window, waits) {
                    (true, _) => {}
                    (false, true) => self.cached += 1,
                    (false, false) => seen.together.push(1),
                }
                drop(seen);
                self.shows.insert(surface.id(), buffer)
            }
            None => self.shows.remove(&surface.id()),
        };
        self.held.extend(before);
    }
}

macro_rules! interfaces {
    ($($interface:ident :: $object:ident, |$state:ident, $this:ident, $request:ident, $init:ident| $handle:expr;)+) => {
        $(impl Dispatch<$interface::$object, ()> for State {
            fn request(
                $state: &mut Self,
                _: &Client,
                $this: &$interface::$object,
                $request: $interface::Request,
                (): &(),
                _: &DisplayHandle,
                $init: &mut DataInit<'_, Self>,
            ) {
                $handle
            }

            fn destroyed(state: &mut Self, _: ClientId, gone: &$interface::$object, (): &()) {
                let mut seen = state.seen.lock().unwrap();
                if let Some(count) = seen.live.get_mut(stringify!($interface)) {
                    *count = count.saturating_sub(1);
                    seen.live.retain(|_, count| *count > 0);
                }
                drop(seen);
                state.shows.remove(&gone.id()).into_iter().for_each(|buffer| state.held.push(buffer));
                state.held.retain(|buffer| buffer.id() != gone.id());
                state.callbacks.retain(|callback| callback.id() != gone.id());
            }
        })+
    };
}

macro_rules! globals {
    ($($interface:ty, |$object:ident| $bound:expr;)+) => {
        $(impl GlobalDispatch<$interface, ()> for State {
            fn bind(
                _: &mut Self,
                _: &DisplayHandle,
                _: &Client,
                new: New<$interface>,
                (): &(),
                init: &mut DataInit<'_, Self>,
            ) {
                let $object = init.init(new, ());
                $bound
            }
        })+
    };
}

globals! {
    wl_compositor::WlCompositor, |_object| ();
    wl_subcompositor::WlSubcompositor, |_object| ();
    wp_viewporter::WpViewporter, |_object| ();
    wl_shm::WlShm, |object| {
        object.format(wl_shm::Format::Argb8888);
        object.format(wl_shm::Format::Xrgb8888);
    };
    xdg_wm_base::XdgWmBase, |_object| ();
    zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1, |object| {
        for modifier in [0, TILED] {
            object.modifier(XR24, (modifier >> 32) as u32, modifier as u32);
        }
    };
}

interfaces! {
    wl_compositor::WlCompositor, |state, _this, request, init| match request {
        wl_compositor::Request::CreateSurface { id } => {
            let surface = init.init(id, ());
            // The first one is the window's.
            state.window.get_or_insert(surface);
            state.count("wl_surface");
        }
        wl_compositor::Request::CreateRegion { id } => {
            init.init(id, ());
            state.count("wl_region");
        }
        _ => {}
    };
    wl_region::WlRegion, |_state, _this, _request, _init| ();
    wl_subcompositor::WlSubcompositor, |state, _this, request, init| {
        if let wl_subcompositor::Request::GetSubsurface { id, surface, .. } = request {
            state.desync.push((init.init(id, ()), surface.id(), false));
            state.count("wl_subsurface");
        }
    };
    wl_subsurface::WlSubsurface, |state, this, request, _init| {
        let asked = match request {
            wl_subsurface::Request::SetSync => false,
            wl_subsurface::Request::SetDesync => true,
            _ => return,
        };
        state.desync.iter_mut().filter(|(role, ..)| role == this).for_each(|(.., desync)| *desync = asked);
    };
    wp_viewporter::WpViewporter, |state, _this, request, init| {
        if let wp_viewporter::Request::GetViewport { id, .. } = request {
            init.init(id, ());
            state.count("wp_viewport");
        }
    };
    wp_viewport::WpViewport, |_state, _this, _request, _init| ();
    wl_shm::WlShm, |state, _this, request, init| {
        // The fd is closed: nothing here is mapped.
        if let wl_shm::Request::CreatePool { id, .. } = request {
            init.init(id, ());
            state.count("wl_shm_pool");
        }
    };
    wl_shm_pool::WlShmPool, |state, _this, request, init| {
        if let wl_shm_pool::Request::CreateBuffer { id, .. } = request {
            init.init(id, ());
            state.count("wl_buffer");
        }
    };
    wl_buffer::WlBuffer, |_state, _this, _request, _init| ();
    wl_surface::WlSurface, |state, this, request, init| match request {
        wl_surface::Request::Attach { buffer, .. } => drop(state.pending.insert(this.id(), buffer)),
        wl_surface::Request::Frame { callback } => {
            let callback = init.init(callback, ());
            state.callbacks.push(callback);
        }
        wl_surface::Request::Commit => state.commit(this),
        _ => {}
    };
    wl_callback::WlCallback, |_state, _this, _request, _init| ();
    xdg_wm_base::XdgWmBase, |state, _this, request, init| {
        if let xdg_wm_base::Request::GetXdgSurface { id, .. } = request {
            state.xdg_surface = Some(init.init(id, ()));
        }
    };
    xdg_surface::XdgSurface, |state, _this, request, init| {
        if let xdg_surface::Request::GetToplevel { id } = request {
            state.toplevel = Some(init.init(id, ()));
        }
    };
    xdg_toplevel::XdgToplevel, |_state, _this, _request, _init| ();
    zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1, |_state, _this, request, init| {
        if let zwp_linux_dmabuf_v1::Request::CreateParams { params_id } = request {
            init.init(params_id, ());
        }
    };
    zwp_linux_buffer_params_v1::ZwpLinuxBufferParamsV1, |state, this, request, _init| match request {
        zwp_linux_buffer_params_v1::Request::Add { modifier_hi, modifier_lo, .. } => {
            let planes = state.planes.entry(this.id()).or_default();
            *planes = (u64::from(modifier_hi) << 32 | u64::from(modifier_lo), planes.1 + 1);
        }
        zwp_linux_buffer_params_v1::Request::Create { format, .. } => {
            let (modifier, planes) = state.planes.remove(&this.id()).unwrap_or_default();
            state.seen.lock().unwrap().dmabufs.push((format, modifier, planes));
            let display = state.display.clone().unwrap();
            let client = this.client().filter(|_| !state.takes_none);
            match client.map(|c| c.create_resource::<wl_buffer::WlBuffer, (), State>(&display, 1, ())) {
                Some(buffer) => {
                    this.created(&buffer.unwrap());
                    state.count("wl_buffer");
                }
                None => this.failed(),
            }
        }
        _ => {}
    };
}
