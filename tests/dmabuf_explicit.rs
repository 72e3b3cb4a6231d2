//! Dma-bufs that are synchronised explicitly: what becomes of the points when a commit does not simply come and go. The rules
//! for a client are among the cases of `selkie check`.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_manager_v1::WpLinuxDrmSyncobjManagerV1;
use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_surface_v1::WpLinuxDrmSyncobjSurfaceV1;
use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_timeline_v1::WpLinuxDrmSyncobjTimelineV1;
use shm_core::dmabuf::{Access, DmaBuf};
use shm_core::timeline::{Device, Timeline};
use shm_core::vgem::Vgem;
use support::dmabuf::{self, fourcc, udmabuf};
use support::process::patience;
use support::raw::{Ended, Raw, Window};
use support::report::{Path, frames};
use support::{Host, Image, Witness, assert_same, require_fences, skip_dmabuf};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_callback::WlCallback;
use wayland_client::protocol::wl_compositor::WlCompositor;
use wayland_client::protocol::wl_subcompositor::WlSubcompositor;
use wayland_client::protocol::wl_surface::WlSurface;

const WIDTH: usize = 67;
const HEIGHT: usize = 41;
const RED: u32 = 0xff0000;
const GREEN: u32 = 0x00ff00;

/// Skips where there are no fences, or selkie has no timelines.
macro_rules! require_timelines {
    () => {
        require_fences!();
        if !Device::open().is_ok_and(|device| device.can_notice()) {
            return skip_dmabuf("no timelines that tell an fd of their points (Linux 6.6)");
        }
    };
}

fn host() -> Host {
    Host::selkie(&["--size", &format!("{WIDTH}x{HEIGHT}"), "--refresh", "0"])
}

fn filled(colour: u32) -> Image {
    Image::filled(WIDTH, HEIGHT, colour)
}

/// A client with a window that covers the screen.
struct Client {
    raw: Raw,
    window: Window,
    dmabufs: ZwpLinuxDmabufV1,
    manager: WpLinuxDrmSyncobjManagerV1,
    device: Arc<Device>,
}

/// A picture of one colour, and when it is drawn and free.
struct Picture {
    memory: DmaBuf,
    buffer: WlBuffer,
    drawn: Shared,
    free: Shared,
}

/// A timeline, of which only the first point is used.
struct Shared {
    timeline: Timeline,
    object: WpLinuxDrmSyncobjTimelineV1,
}

impl Shared {
    fn signal(&self) {
        self.timeline.signal(1).unwrap();
    }

    fn is_signalled(&self) -> bool {
        self.timeline.reached().unwrap() == 1
    }

    fn wait(&self) {
        let notice = self.timeline.notice(1).unwrap();
        let timeout = patience().try_into().unwrap();
        let ready = poll(&mut [PollFd::new(&notice, PollFlags::IN)], Some(&timeout));
        assert_eq!(ready, Ok(1), "the point was not signalled");
        assert!(self.is_signalled());
    }
}

impl Client {
    fn new(host: &Host) -> Self {
        let mut raw = Raw::connect(&host.socket());
        let (dmabufs, manager) = (raw.bind(5), raw.bind(1));
        let window = raw.window().unwrap();
        Self { raw, window, dmabufs, manager, device: Device::open().unwrap() }
    }

    /// Has the commits of a surface come with points.
    fn extend(&mut self, surface: &WlSurface) -> WpLinuxDrmSyncobjSurfaceV1 {
        self.manager.get_surface(surface, &self.raw.qh(), ())
    }

    /// A synchronised subsurface of the window, whose commits come with points too.
    fn subsurface(&mut self) -> (WlSurface, WpLinuxDrmSyncobjSurfaceV1) {
        let compositor: WlCompositor = self.raw.bind(6);
        let subcompositor: WlSubcompositor = self.raw.bind(1);
        let child = compositor.create_surface(&self.raw.qh(), ());
        subcompositor.get_subsurface(&child, &self.window.surface, &self.raw.qh(), ());
        let extension = self.extend(&child);
        (child, extension)
    }

    fn timeline(&self) -> Shared {
        let timeline = Timeline::new(&self.device).unwrap();
        let fd = timeline.fd().unwrap();
        let object = self.manager.import_timeline(fd.as_fd(), &self.raw.qh(), ());
        Shared { timeline, object }
    }

    fn picture(&mut self, colour: u32) -> Picture {
        let memory = udmabuf(&colour.to_le_bytes().repeat(WIDTH * HEIGHT));
        let layout = (WIDTH as i32, HEIGHT as i32, WIDTH as u32 * 4);
        let buffer = dmabuf::buffer(&mut self.raw, &self.dmabufs, &memory, layout, fourcc(b"XR24"));
        Picture { memory, buffer, drawn: self.timeline(), free: self.timeline() }
    }

    /// Commits a picture, and gives the frame callback.
    fn commit(
        &mut self,
        surface: &WlSurface,
        extension: &WpLinuxDrmSyncobjSurfaceV1,
        picture: &Picture,
    ) -> WlCallback {
        extension.set_acquire_point(&picture.drawn.object, 0, 1);
        extension.set_release_point(&picture.free.object, 0, 1);
        surface.attach(Some(&picture.buffer), 0, 0);
        surface.damage_buffer(0, 0, i32::MAX, i32::MAX);
        self.raw.events.log.clear();
        let callback = surface.frame(&self.raw.qh(), ());
        surface.commit();
        callback
    }

    /// Shows a picture that is drawn.
    fn show(&mut self, extension: &WpLinuxDrmSyncobjSurfaceV1, picture: &Picture) {
        picture.drawn.signal();
        let shown = self.commit(&self.window.surface.clone(), extension, picture);
        self.raw.wait_for(&shown, 1).unwrap();
    }

    /// Whether a commit has not been shown though another client's have.
    fn waits_for(&mut self, shown: &WlCallback, host: &Host) -> bool {
        self.raw.roundtrip().unwrap();
        Witness::new(&host.socket()).goes_on();
        self.raw.roundtrip().unwrap();
        self.raw.of(shown).is_empty()
    }
}

#[test]
fn a_dmabuf_is_free_only_when_its_other_readers_are_done() {
    require_timelines!();
    let host = host();
    let mut client = Client::new(&host);
    let extension = client.extend(&client.window.surface.clone());
    let (first, second) = (client.picture(RED), client.picture(GREEN));
    client.show(&extension, &first);
    // As a card would that scans the picture out.
    let reader = Vgem::open().unwrap().fence().unwrap();
    first.memory.import_sync_file(reader.sync_file(), Access::Read).unwrap();
    assert!(!first.free.is_signalled());
    client.show(&extension, &second);
    client.raw.wait_for(&first.buffer, 1).unwrap();
    assert!(!first.free.is_signalled());
    assert!(reader.signal(), "the kernel was first");
    first.free.wait();
    assert!(!second.free.is_signalled());
}

#[test]
fn a_dmabuf_that_never_showed_is_free_when_another_replaces_it() {
    require_timelines!();
    let mut host = host();
    let mut client = Client::new(&host);
    let extension = client.extend(&client.window.surface.clone());
    let (child, of_child) = client.subsurface();
    let [below, first, second] = [0x0000ff, RED, GREEN].map(|colour| client.picture(colour));
    // The first is never drawn: nobody may wait for that any more.
    client.commit(&child, &of_child, &first);
    second.drawn.signal();
    let shown = client.commit(&child, &of_child, &second);
    client.raw.flush().unwrap();
    first.free.wait();
    below.drawn.signal();
    client.commit(&client.window.surface.clone(), &extension, &below);
    client.raw.wait_for(&shown, 1).unwrap();
    assert!(!second.free.is_signalled());
    assert_same("dmabuf-explicit-replaced", &host.screenshot(), &filled(GREEN));
}

#[test]
fn a_window_waits_for_the_point_of_its_subsurfaces_dmabuf() {
    require_timelines!();
    let mut host = host();
    let mut client = Client::new(&host);
    let extension = client.extend(&client.window.surface.clone());
    let (child, of_child) = client.subsurface();
    let [first, below, above] = [0x0000ff, RED, GREEN].map(|colour| client.picture(colour));
    client.show(&extension, &first);
    let shown = client.commit(&child, &of_child, &above);
    below.drawn.signal();
    client.commit(&client.window.surface.clone(), &extension, &below);
    assert!(client.waits_for(&shown, &host));
    above.drawn.signal();
    client.raw.wait_for(&shown, 1).unwrap();
    assert_same("dmabuf-explicit-family", &host.screenshot(), &filled(GREEN));
}

#[test]
fn a_surface_that_is_gone_frees_the_dmabuf_that_it_waits_for() {
    require_timelines!();
    let host = host();
    let mut client = Client::new(&host);
    let compositor: WlCompositor = client.raw.bind(6);
    let surface = compositor.create_surface(&client.raw.qh(), ());
    let extension = client.extend(&surface);
    let picture = client.picture(RED);
    client.commit(&surface, &extension, &picture);
    client.raw.roundtrip().unwrap();
    assert!(!picture.free.is_signalled());
    surface.destroy();
    client.raw.flush().unwrap();
    picture.free.wait();
    // What is gone is waited for no more.
    picture.drawn.signal();
    client.raw.roundtrip().unwrap();
}

#[test]
fn what_a_client_leaves_behind_of_its_dmabufs_is_free() {
    require_timelines!();
    let host = host();
    let mut witness = Witness::new(&host.socket());
    let mut client = Client::new(&host);
    let extension = client.extend(&client.window.surface.clone());
    let (shown, waiting) = (client.picture(RED), client.picture(GREEN));
    client.show(&extension, &shown);
    client.commit(&client.window.surface.clone(), &extension, &waiting);
    client.raw.roundtrip().unwrap();
    assert!(!shown.free.is_signalled() && !waiting.free.is_signalled());
    drop(client);
    shown.free.wait();
    waiting.free.wait();
    waiting.drawn.signal();
    witness.goes_on();
}

#[test]
fn commits_of_dmabufs_that_wait_for_points_are_not_piled_up_for_ever() {
    require_timelines!();
    let host = host();
    let mut witness = Witness::new(&host.socket());
    let mut client = Client::new(&host);
    let extension = client.extend(&client.window.surface.clone());
    let picture = client.picture(RED);
    let surface = client.window.surface.clone();
    for i in 0..1024 {
        client.commit(&surface, &extension, &picture);
        // A client that never pauses is ended for that.
        if i % 16 == 0 {
            client.raw.roundtrip().unwrap();
        }
    }
    client.raw.roundtrip().unwrap();
    surface.commit();
    let Ended::Error { interface, code, .. } = client.raw.ended() else { panic!("just closed") };
    assert_eq!((interface.as_str(), code), ("wl_display", 2));
    picture.free.wait();
    witness.goes_on();
}

#[test]
fn a_dmabuf_is_forwarded_when_its_point_is_signalled_and_free_when_the_host_is_done() {
    require_timelines!();
    let size = format!("{WIDTH}x{HEIGHT}");
    let mut host = host();
    let report = host.dir.file("nested.jsonl");
    let nested = host.selkie_inside(&["--size", &size, "--report", report.to_str().unwrap()]);
    let mut client = Client::new(&nested);
    let extension = client.extend(&client.window.surface.clone());
    let (first, second) = (client.picture(RED), client.picture(GREEN));
    client.show(&extension, &first);
    let shown = client.commit(&client.window.surface.clone(), &extension, &second);
    assert!(client.waits_for(&shown, &nested));
    assert!(!first.free.is_signalled());
    second.drawn.signal();
    client.raw.wait_for(&shown, 1).unwrap();
    first.free.wait();
    assert!(!second.free.is_signalled());
    assert_same("dmabuf-explicit-forwarded", &host.screenshot(), &filled(GREEN));
    drop(nested);
    for frame in frames(&report) {
        assert_eq!((frame.path, frame.bytes_copied), (Path::Forwarded, 0), "{frame:?}");
    }
}
