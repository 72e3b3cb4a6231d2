//! What clients are told about their surfaces: when a buffer is theirs again, when to draw the next frame, and what
//! became of the last one. Each exactly once.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too, but clippy cannot see it

mod support;

use rustix::fs::SealFlags;
use rustix::time::{ClockId, clock_gettime};
use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::{self, WpPresentation};
use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation_feedback::{
    Event as Told, Kind, WpPresentationFeedback,
};
use support::raw::{Ended, Raw, Window, memfd};
use support::{Host, require_programs};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::protocol::wl_compositor::WlCompositor;
use wayland_client::protocol::wl_output::WlOutput;
use wayland_client::protocol::wl_shm::{Format, WlShm};
use wayland_client::protocol::wl_shm_pool::WlShmPool;
use wayland_client::protocol::wl_subcompositor::WlSubcompositor;
use wayland_client::protocol::wl_subsurface::WlSubsurface;
use wayland_client::protocol::wl_surface::{self, WlSurface};
use wayland_client::{Proxy, WEnum};

/// The screen, and what covers it.
const SIDE: i32 = 96;

/// An object that is gone with its only event: its number may be another's afterwards, so what came before it was
/// made does not count.
struct Once {
    interface: &'static str,
    object: u32,
    from: usize,
}

impl Once {
    fn new<I: Proxy>(raw: &Raw, proxy: &I) -> Self {
        Self { interface: I::interface().name, object: proxy.id().protocol_id(), from: raw.events.log.len() }
    }

    /// Whether its event has come.
    fn came(&self, raw: &Raw) -> bool {
        raw.events.log[self.from..].iter().any(|e| e.object == self.object && e.interface == self.interface)
    }

    fn wait(&self, raw: &mut Raw) {
        let (interface, object, from) = (self.interface, self.object, self.from);
        let came = move |events: &support::raw::Events| {
            events.log[from..].iter().any(|e| e.object == object && e.interface == interface)
        };
        raw.wait(interface, came).unwrap();
    }
}

/// A client with a pool that has room for whatever is drawn here.
struct Client {
    raw: Raw,
    pool: WlShmPool,
}

impl Client {
    fn connect(host: &Host) -> Self {
        let mut raw = Raw::connect(&host.socket());
        let shm: WlShm = raw.bind(1);
        let size = SIDE * SIDE * 4 * 2;
        let pool = raw.pool(&shm, memfd(size as u64, Some(SealFlags::SHRINK)), size);
        Self { raw, pool }
    }

    /// A square buffer, all black.
    fn buffer(&mut self, side: i32, format: Format) -> WlBuffer {
        let qh = self.raw.qh();
        let buffer = self.pool.create_buffer(0, side, side, side * 4, format, &qh, ());
        self.raw.note(buffer)
    }

    fn window(&mut self, side: i32) -> (Window, WlBuffer) {
        let window = self.raw.window().unwrap();
        let buffer = self.buffer(side, Format::Xrgb8888);
        self.raw.present(&window.surface, &buffer).unwrap();
        (window, buffer)
    }

    fn releases(&self, buffer: &WlBuffer) -> usize {
        self.raw.of(buffer).len()
    }

    fn frame(&self, surface: &WlSurface) -> Once {
        Once::new(&self.raw, &surface.frame(&self.raw.qh(), ()))
    }

    fn feedback(&self, presentation: &WpPresentation, surface: &WlSurface) -> (Once, WpPresentationFeedback) {
        let feedback = presentation.feedback(surface, &self.raw.qh(), ());
        (Once::new(&self.raw, &feedback), feedback)
    }

    /// Has several frames of a window be shown.
    fn frames(&mut self, window: &Window, buffer: &WlBuffer) {
        for _ in 0..5 {
            self.raw.present(&window.surface, buffer).unwrap();
        }
        self.raw.roundtrip().unwrap();
    }

    /// Commits a buffer on a surface, with its damage.
    fn commit(&self, surface: &WlSurface, buffer: &WlBuffer) {
        surface.attach(Some(buffer), 0, 0);
        surface.damage(0, 0, i32::MAX, i32::MAX);
        surface.commit();
    }

    fn subsurface(&mut self, parent: &WlSurface, at: (i32, i32)) -> WlSurface {
        self.subsurface_with_role(parent, at).0
    }

    fn subsurface_with_role(&mut self, parent: &WlSurface, at: (i32, i32)) -> (WlSurface, WlSubsurface) {
        let qh = self.raw.qh();
        let compositor: WlCompositor = self.raw.bind(6);
        let subcompositor: WlSubcompositor = self.raw.bind(1);
        let surface = compositor.create_surface(&qh, ());
        let role = subcompositor.get_subsurface(&surface, parent, &qh, ());
        role.set_position(at.0, at.1);
        (self.raw.note(surface), role)
    }
}

fn host() -> Host {
    Host::selkie(&["--size", "96x96", "--refresh", "0"])
}

#[test]
fn a_buffer_comes_back_once_when_another_takes_its_place() {
    let host = host();
    let mut client = Client::connect(&host);
    let (window, first) = client.window(SIDE);
    let second = client.buffer(SIDE, Format::Xrgb8888);
    // Whatever is committed, it stays the content.
    for _ in 0..3 {
        window.surface.damage(0, 0, 1, 1);
        window.surface.commit();
    }
    client.raw.roundtrip().unwrap();
    assert_eq!(client.releases(&first), 0);
    for uses in 1..=4 {
        client.raw.present(&window.surface, &second).unwrap();
        client.raw.roundtrip().unwrap();
        assert_eq!((client.releases(&first), client.releases(&second)), (uses, uses - 1));
        client.raw.present(&window.surface, &first).unwrap();
        client.raw.roundtrip().unwrap();
        assert_eq!((client.releases(&first), client.releases(&second)), (uses, uses));
    }
    // Committed again while it shows, it was in use all the time.
    client.frames(&window, &first);
    assert_eq!((client.releases(&first), client.releases(&second)), (4, 4));
    window.surface.attach(None, 0, 0);
    window.surface.commit();
    client.raw.roundtrip().unwrap();
    assert_eq!((client.releases(&first), client.releases(&second)), (5, 4));
}

#[test]
fn a_buffer_that_was_replaced_before_it_was_shown_comes_back_too() {
    let host = Host::selkie(&["--size", "96x96", "--refresh", "1"]);
    let mut client = Client::connect(&host);
    let (window, shown) = client.window(SIDE);
    let buffers: Vec<WlBuffer> = (0..4).map(|_| client.buffer(SIDE, Format::Xrgb8888)).collect();
    for buffer in &buffers {
        client.commit(&window.surface, buffer);
    }
    // The next frame is a second away.
    client.raw.roundtrip().unwrap();
    let releases: Vec<usize> = buffers.iter().map(|b| client.releases(b)).collect();
    assert_eq!((client.releases(&shown), releases), (1, vec![1, 1, 1, 0]));
}

#[test]
fn a_buffer_on_two_surfaces_comes_back_when_both_are_done() {
    let host = host();
    let mut client = Client::connect(&host);
    let (window, buffer) = client.window(SIDE);
    // Not over all of the window: that would hide it.
    let child = client.subsurface(&window.surface, (48, 48));
    window.xdg_surface.set_window_geometry(0, 0, SIDE, SIDE);
    client.commit(&child, &buffer);
    window.surface.commit();
    client.raw.roundtrip().unwrap();
    let other = client.buffer(SIDE, Format::Xrgb8888);
    client.raw.present(&window.surface, &other).unwrap();
    client.raw.roundtrip().unwrap();
    assert_eq!(client.releases(&buffer), 0);
    child.destroy();
    client.raw.roundtrip().unwrap();
    assert_eq!((client.releases(&buffer), client.releases(&other)), (1, 0));
    // What is destroyed while it shows is told nothing, and goes on showing.
    other.destroy();
    window.surface.commit();
    client.raw.roundtrip().unwrap();
    client.raw.present(&window.surface, &buffer).unwrap();
    client.raw.roundtrip().unwrap();
    assert_eq!((client.releases(&buffer), client.releases(&other)), (1, 0));
}

#[test]
fn a_synchronised_subsurface_gives_back_what_it_never_showed() {
    let host = host();
    let mut client = Client::connect(&host);
    let (window, _buffer) = client.window(SIDE);
    let child = client.subsurface(&window.surface, (8, 8));
    let buffers: Vec<WlBuffer> = (0..3).map(|_| client.buffer(16, Format::Xrgb8888)).collect();
    for buffer in &buffers {
        client.commit(&child, buffer);
    }
    client.raw.roundtrip().unwrap();
    let releases = |client: &Client| buffers.iter().map(|b| client.releases(b)).collect::<Vec<_>>();
    assert_eq!(releases(&client), [1, 1, 0]);
    let frame = client.frame(&window.surface);
    window.surface.commit();
    frame.wait(&mut client.raw);
    client.raw.roundtrip().unwrap();
    assert_eq!(releases(&client), [1, 1, 0]);
}

#[test]
fn a_surface_that_is_no_subsurface_any_more_gives_back_what_it_never_showed() {
    let host = host();
    let mut client = Client::connect(&host);
    let (window, _buffer) = client.window(SIDE);
    let (child, role) = client.subsurface_with_role(&window.surface, (8, 8));
    let (orphan, _role) = client.subsurface_with_role(&child, (8, 8));
    let buffers = [(); 2].map(|()| client.buffer(16, Format::Xrgb8888));
    client.commit(&child, &buffers[0]);
    client.commit(&orphan, &buffers[1]);
    client.raw.roundtrip().unwrap();
    let releases = |client: &Client| buffers.each_ref().map(|b| client.releases(b));
    assert_eq!(releases(&client), [0, 0]);
    role.destroy();
    client.raw.roundtrip().unwrap();
    assert_eq!(releases(&client), [1, 0]);
    child.destroy();
    client.raw.roundtrip().unwrap();
    assert_eq!(releases(&client), [1, 1]);
}

#[test]
fn what_waited_for_a_parent_is_not_shown_after_what_did_not_wait() {
    let host = host();
    let mut client = Client::connect(&host);
    let (window, _buffer) = client.window(SIDE);
    let (parent, of_parent) = client.subsurface_with_role(&window.surface, (8, 8));
    let (child, of_child) = client.subsurface_with_role(&parent, (8, 8));
    of_child.set_desync();
    let [below, early, late] = [(); 3].map(|()| client.buffer(16, Format::Xrgb8888));
    // It waits, for its parent is synchronised.
    client.commit(&child, &early);
    client.commit(&parent, &below);
    window.surface.commit();
    client.commit(&child, &early);
    of_parent.set_desync();
    client.raw.roundtrip().unwrap();
    assert_eq!(client.releases(&early), 0);
    client.commit(&child, &late);
    client.raw.roundtrip().unwrap();
    assert_eq!((client.releases(&early), client.releases(&late)), (1, 0));
    parent.commit();
    let frame = client.frame(&window.surface);
    window.surface.commit();
    frame.wait(&mut client.raw);
    client.raw.roundtrip().unwrap();
    assert_eq!((client.releases(&early), client.releases(&late)), (1, 0));
}

#[test]
fn get_release_answers_each_commit() {
    let host = host();
    let mut client = Client::connect(&host);
    let compositor: WlCompositor = client.raw.bind(7);
    let qh = client.raw.qh();
    let (window, _buffer) = client.window(SIDE);
    let child = compositor.create_surface(&qh, ());
    let subcompositor: WlSubcompositor = client.raw.bind(1);
    let role = subcompositor.get_subsurface(&child, &window.surface, &qh, ());
    role.set_desync();
    window.surface.commit();
    let (a, b) = (client.buffer(16, Format::Xrgb8888), client.buffer(16, Format::Xrgb8888));
    let commit = |client: &Client, buffer: &WlBuffer| {
        let release = Once::new(&client.raw, &child.get_release(&qh, ()));
        client.commit(&child, buffer);
        release
    };
    // A commit that is replaced by another of the same buffer is answered, though the buffer stays.
    let first = commit(&client, &a);
    let second = commit(&client, &a);
    client.raw.roundtrip().unwrap();
    assert!(first.came(&client.raw) && !second.came(&client.raw));
    assert_eq!(client.releases(&a), 0);
    let third = commit(&client, &b);
    client.raw.roundtrip().unwrap();
    assert!(second.came(&client.raw) && !third.came(&client.raw));
    assert_eq!((client.releases(&a), client.releases(&b)), (1, 0));
    child.destroy();
    client.raw.roundtrip().unwrap();
    assert!(third.came(&client.raw));
    assert_eq!((client.releases(&a), client.releases(&b)), (1, 1));
    // Two for one commit are answered together.
    let other = client.raw.note(compositor.create_surface(&qh, ()));
    let twice = [other.get_release(&qh, ()), other.get_release(&qh, ())];
    let twice = twice.map(|callback| Once::new(&client.raw, &callback));
    client.commit(&other, &a);
    client.raw.roundtrip().unwrap();
    assert!(!twice.iter().any(|once| once.came(&client.raw)));
    other.attach(None, 0, 0);
    other.commit();
    client.raw.roundtrip().unwrap();
    assert!(twice.iter().all(|once| once.came(&client.raw)));
    // Without a buffer there is nothing to give back.
    other.get_release(&qh, ());
    other.commit();
    let Ended::Error { interface, object, code, .. } = client.raw.ended() else {
        panic!("no protocol error")
    };
    let expected = ("wl_surface", other.id().protocol_id(), wl_surface::Error::NoBuffer as u32);
    assert_eq!((interface.as_str(), object, code), expected);
}

/// The same for commits that wait for a parent: one that is replaced while it waits, or whose surface goes, is over.
#[test]
fn get_release_answers_what_a_parent_never_showed() {
    let host = host();
    let mut client = Client::connect(&host);
    let compositor: WlCompositor = client.raw.bind(7);
    let qh = client.raw.qh();
    let (window, _buffer) = client.window(SIDE);
    let child = compositor.create_surface(&qh, ());
    let subcompositor: WlSubcompositor = client.raw.bind(1);
    let _role = subcompositor.get_subsurface(&child, &window.surface, &qh, ());
    let buffers: Vec<WlBuffer> = (0..3).map(|_| client.buffer(16, Format::Xrgb8888)).collect();
    let commit = |client: &Client, buffer: &WlBuffer| {
        let release = Once::new(&client.raw, &child.get_release(&qh, ()));
        client.commit(&child, buffer);
        release
    };
    let all = |client: &mut Client, releases: &[&Once]| {
        client.raw.roundtrip().unwrap();
        releases.iter().map(|once| once.came(&client.raw)).collect::<Vec<_>>()
    };
    let first = commit(&client, &buffers[0]);
    let second = commit(&client, &buffers[1]);
    // A commit without a buffer changes nothing about that.
    child.commit();
    assert_eq!(all(&mut client, &[&first, &second]), [true, false]);
    window.surface.commit();
    let third = commit(&client, &buffers[1]);
    let fourth = commit(&client, &buffers[1]);
    assert_eq!(all(&mut client, &[&second, &third, &fourth]), [false, true, false]);
    assert_eq!(client.releases(&buffers[1]), 0);
    window.surface.commit();
    assert_eq!(all(&mut client, &[&second, &fourth]), [true, false]);
    let fifth = commit(&client, &buffers[2]);
    assert_eq!(all(&mut client, &[&fourth, &fifth]), [false, false]);
    child.destroy();
    assert_eq!(all(&mut client, &[&fourth, &fifth]), [true, true]);
    assert_eq!(buffers.iter().map(|b| client.releases(b)).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn each_frame_callback_is_called_once_also_without_damage() {
    let host = host();
    let mut client = Client::connect(&host);
    let (window, buffer) = client.window(SIDE);
    client.frames(&window, &buffer);
    // Those of several commits before one frame, and of one commit, all of them.
    let callbacks: Vec<Once> = (0..6)
        .map(|i| {
            let once = client.frame(&window.surface);
            if i % 2 == 0 {
                window.surface.commit();
            }
            once
        })
        .collect();
    // The last one was not committed.
    let (last, committed) = callbacks.split_last().unwrap();
    for once in committed {
        once.wait(&mut client.raw);
    }
    client.raw.roundtrip().unwrap();
    assert!(!last.came(&client.raw));
    window.surface.commit();
    last.wait(&mut client.raw);
    // wayland-client would end the connection, were one called twice.
    client.raw.roundtrip().unwrap();
}

#[test]
fn frame_callbacks_of_several_surfaces_come_with_the_same_frame() {
    let host = Host::selkie(&["--size", "96x96", "--refresh", "20"]);
    let mut client = Client::connect(&host);
    let (window, _buffer) = client.window(SIDE);
    let child = client.subsurface(&window.surface, (8, 8));
    let small = client.buffer(16, Format::Xrgb8888);
    for _ in 0..3 {
        let of_child = client.frame(&child);
        client.commit(&child, &small);
        let of_parent = client.frame(&window.surface);
        window.surface.commit();
        of_parent.wait(&mut client.raw);
        of_child.wait(&mut client.raw);
        let done: Vec<u32> = client.raw.events.log[of_child.from..]
            .iter()
            .filter(|e| e.object == of_child.object || e.object == of_parent.object)
            .filter_map(|e| match e.event.downcast_ref()? {
                wl_callback::Event::Done { callback_data } => Some(*callback_data),
                _ => None,
            })
            .collect();
        assert_eq!((done.len(), done[0]), (2, done[1]));
    }
}

/// A window under another one that covers all of it gets no callback, until it can be seen again.
#[test]
fn what_is_hidden_is_not_told_to_draw() {
    let host = host();
    let mut client = Client::connect(&host);
    let presentation: WpPresentation = client.raw.bind(1);
    let (below, small) = client.window(32);
    let (above, large) = client.window(SIDE);
    let callback = client.frame(&below.surface);
    let (presented, _feedback) = client.feedback(&presentation, &below.surface);
    client.commit(&below.surface, &small);
    client.frames(&above, &large);
    assert!(!callback.came(&client.raw) && !presented.came(&client.raw));
    // A newer commit takes the place of what was never seen; the callbacks still wait.
    let (newer, _feedback) = client.feedback(&presentation, &below.surface);
    client.commit(&below.surface, &small);
    client.frames(&above, &large);
    assert!(!callback.came(&client.raw) && presented.came(&client.raw) && !newer.came(&client.raw));
    let told = client.raw.events.log[presented.from..].iter().find(|e| e.object == presented.object);
    assert!(matches!(told.unwrap().event.downcast_ref(), Some(Told::Discarded)));
    // The window above becomes smaller: the one below shows behind it.
    let tiny = client.buffer(8, Format::Xrgb8888);
    client.raw.present(&above.surface, &tiny).unwrap();
    callback.wait(&mut client.raw);
    newer.wait(&mut client.raw);
    // And is hidden again.
    client.raw.present(&above.surface, &large).unwrap();
    let callback = client.frame(&below.surface);
    client.commit(&below.surface, &small);
    client.frames(&above, &large);
    assert!(!callback.came(&client.raw));
    above.toplevel.destroy();
    callback.wait(&mut client.raw);
}

/// What might let something through hides nothing.
#[test]
fn what_is_behind_glass_is_told_to_draw() {
    let host = host();
    let mut client = Client::connect(&host);
    let (below, small) = client.window(32);
    let (above, _large) = client.window(SIDE);
    let glass = client.buffer(SIDE, Format::Argb8888);
    client.raw.present(&above.surface, &glass).unwrap();
    client.raw.present(&below.surface, &small).unwrap();
    // Unless its client says that it is opaque there.
    let compositor: WlCompositor = client.raw.bind(6);
    let region = compositor.create_region(&client.raw.qh(), ());
    region.add(0, 0, SIDE, SIDE);
    above.surface.set_opaque_region(Some(&region));
    client.raw.present(&above.surface, &glass).unwrap();
    let callback = client.frame(&below.surface);
    client.commit(&below.surface, &small);
    client.frames(&above, &glass);
    assert!(!callback.came(&client.raw));
    region.subtract(48, 48, 1, 1);
    above.surface.set_opaque_region(Some(&region));
    above.surface.commit();
    callback.wait(&mut client.raw);
}

#[test]
fn a_subsurface_off_the_screen_is_not_told_to_draw() {
    let host = host();
    let mut client = Client::connect(&host);
    let (window, buffer) = client.window(SIDE);
    // Else the window's geometry would be what the two are in together.
    window.xdg_surface.set_window_geometry(0, 0, SIDE, SIDE);
    let child = client.subsurface(&window.surface, (-500, 0));
    let small = client.buffer(16, Format::Xrgb8888);
    let callback = client.frame(&child);
    client.commit(&child, &small);
    client.frames(&window, &buffer);
    assert!(!callback.came(&client.raw));
}

/// The four numbers of `presented`, and the flags.
fn told(raw: &Raw, once: &Once) -> (u64, u32, u64, Kind) {
    let mut events = raw.events.log[once.from..].iter().filter(|e| e.object == once.object);
    events
        .find_map(|e| match e.event.downcast_ref()? {
            Told::Presented { tv_sec_hi, tv_sec_lo, tv_nsec, refresh, seq_hi, seq_lo, flags } => {
                let wide = |hi: u32, lo: u32| u64::from(hi) << 32 | u64::from(lo);
                assert!(*tv_nsec < 1_000_000_000);
                let ns = wide(*tv_sec_hi, *tv_sec_lo) * 1_000_000_000 + u64::from(*tv_nsec);
                let WEnum::Value(flags) = *flags else { panic!("unknown flags {flags:?}") };
                Some((ns, *refresh, wide(*seq_hi, *seq_lo), flags))
            }
            _ => None,
        })
        .expect("it was presented")
}

fn now(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn feedback_is_true(host: &Host, clocks: &[ClockId], refresh: Option<u32>, counts: bool) {
    let mut client = Client::connect(host);
    let presentation: WpPresentation = client.raw.bind(1);
    let output: WlOutput = client.raw.bind(4);
    let (window, buffer) = client.window(SIDE);
    let named = client.raw.of(&presentation);
    let [wp_presentation::Event::ClockId { clk_id }] = named[..] else { panic!("clocks: {named:?}") };
    let clock = *clocks.iter().find(|c| **c as u32 == *clk_id).expect("a known clock");
    let mut last: Option<(u64, u64)> = None;
    for _ in 0..6 {
        let before = now(clock);
        let (once, feedback) = client.feedback(&presentation, &window.surface);
        client.raw.present(&window.surface, &buffer).unwrap();
        // The feedback itself may come later than the frame callback.
        let object = feedback.id().protocol_id();
        let from = once.from;
        client
            .raw
            .wait("presented", move |events| {
                events.log[from..].iter().any(|e| {
                    e.object == object && matches!(e.event.downcast_ref(), Some(Told::Presented { .. }))
                })
            })
            .unwrap();
        let (ns, period, sequence, flags) = told(&client.raw, &once);
        assert!((before..=now(clock)).contains(&ns), "{before} {ns} {}", now(clock));
        assert!(!flags.contains(Kind::ZeroCopy), "it was composed: {flags:?}");
        if let Some(refresh) = refresh {
            assert_eq!(period, refresh);
        }
        let on = client.raw.events.log[once.from..].iter().find_map(|e| {
            let Told::SyncOutput { output } = e.event.downcast_ref()? else { return None };
            (e.object == object).then(|| output.clone())
        });
        assert_eq!(on.as_ref(), Some(&output));
        if let Some((then, count)) = last {
            assert!(ns > then);
            assert_eq!(sequence, count + u64::from(counts));
        }
        last = Some((ns, sequence));
    }
}

#[test]
fn feedback_of_a_rhythm_is_true() {
    let host = Host::selkie(&["--size", "96x96", "--refresh", "50"]);
    feedback_is_true(&host, &[ClockId::Monotonic], Some(20_000_000), true);
}

#[test]
fn feedback_without_a_rhythm_is_true() {
    feedback_is_true(&host(), &[ClockId::Monotonic], Some(0), true);
}

#[test]
fn feedback_nested_in_selkie_is_true() {
    let outer = host();
    let nested = outer.selkie_inside(&["--size", "96x96"]);
    feedback_is_true(&nested, &[ClockId::Monotonic], Some(0), true);
}

#[test]
fn feedback_nested_in_weston_is_true() {
    require_programs!("weston");
    let weston = Host::weston(800, 600).unwrap();
    let nested = weston.selkie_inside(&["--size", "96x96"]);
    // weston 10, headless, counts no frames.
    feedback_is_true(&nested, &[ClockId::Monotonic, ClockId::MonotonicRaw], None, false);
}

/// sway 1.7 tells nothing of a window that it shows without composing: the nested compositor still does.
#[test]
fn feedback_nested_in_sway_is_true() {
    require_programs!("sway");
    let sway = Host::sway(96, 96).unwrap();
    let nested = sway.selkie_inside(&["--size", "96x96"]);
    feedback_is_true(&nested, &[ClockId::Monotonic], None, false);
}

/// A callback is an object of its own: what it says once is no other's.
#[test]
fn callbacks_of_a_surface_that_goes_are_never_called() {
    let host = host();
    let mut client = Client::connect(&host);
    let (window, _buffer) = client.window(SIDE);
    let child = client.subsurface(&window.surface, (0, 0));
    let callback: WlCallback = child.frame(&client.raw.qh(), ());
    let once = Once::new(&client.raw, &callback);
    let small = client.buffer(16, Format::Xrgb8888);
    client.commit(&child, &small);
    child.destroy();
    let frame = client.frame(&window.surface);
    window.surface.commit();
    frame.wait(&mut client.raw);
    assert!(!once.came(&client.raw));
    assert_eq!(client.releases(&small), 1);
}
