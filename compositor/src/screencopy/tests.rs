//! Pictures of the output as a client sees them, where that takes more than a client: cursors, an output that changes, and who
//! has a turn. What memory they go to, and every error, is tested end to end.

use std::os::fd::{AsFd, OwnedFd};

use selkie_protocols::upstream::xdg::xdg_output::zv1::client::zxdg_output_manager_v1::ZxdgOutputManagerV1;
use selkie_protocols::upstream::xdg::xdg_output::zv1::client::zxdg_output_v1::{self, ZxdgOutputV1};
use selkie_protocols::wlr::screencopy::v1::client::zwlr_screencopy_frame_v1::{self, ZwlrScreencopyFrameV1};
use selkie_protocols::wlr::screencopy::v1::client::zwlr_screencopy_manager_v1::ZwlrScreencopyManagerV1;
use shm_core::seals::Seals;
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_output::{self, WlOutput};
use wayland_client::protocol::wl_shm::Format;
use wayland_client::{Connection, Dispatch, QueueHandle, delegate_noop};

use crate::geometry::{Rect, Size};
use crate::testing::{Client, Fixture, Seen};

const WIDTH: i32 = 300;
const HEIGHT: i32 = 200;

/// A client that takes pictures.
struct Taker {
    client: Client,
    manager: ZwlrScreencopyManagerV1,
    output: WlOutput,
    memory: OwnedFd,
    buffer: WlBuffer,
}

fn fixture() -> Fixture {
    let mut fixture = Fixture::with(|c| c.screencopy = true);
    // The background: nobody runs this compositor.
    fixture.server().schedule_frame();
    fixture
}

impl Taker {
    fn connect(fixture: &mut Fixture) -> Self {
        let mut client = fixture.connect();
        let size = WIDTH * HEIGHT * 4;
        let memory = shm_core::memfd::create("test", size as u64, Some(Seals::SHRINK)).unwrap();
        let pool = client.globals().shm.create_pool(memory.as_fd(), size, &client.qh, ());
        let buffer = pool.create_buffer(0, WIDTH, HEIGHT, WIDTH * 4, Format::Xrgb8888, &client.qh, ());
        let (manager, output) = (client.global(3).unwrap(), client.global(4).unwrap());
        fixture.roundtrip(&mut client);
        client.log();
        Self { client, manager, output, memory, buffer }
    }

    fn frame(&self, name: &'static str, cursor: bool) -> ZwlrScreencopyFrameV1 {
        self.manager.capture_output(cursor.into(), &self.output, &self.client.qh, name)
    }

    /// A pixel of what was copied, 0xRRGGBB.
    fn pixel(&self, x: i32, y: i32) -> u32 {
        let mut bytes = [0; 4];
        let at = (y * WIDTH + x) as u64 * 4;
        assert_eq!(rustix::io::pread(&self.memory, &mut bytes, at), Ok(4));
        u32::from_le_bytes(bytes) & 0xff_ffff
    }
}

#[test]
fn cursors_show_where_they_are_wanted() {
    let mut fixture = fixture();
    let mut other = fixture.connect();
    let window = fixture.map(&mut other, "window", (40, 30), 0x123456);
    let (x, y) = fixture.corner(&window);
    // A motion within the window; the arrow's tip is black.
    fixture.point(f64::from(x + 5), f64::from(y + 5));
    let mut taker = Taker::connect(&mut fixture);
    fixture.roundtrip(&mut taker.client);
    for (cursor, expected) in [(true, 0), (false, 0x123456), (true, 0)] {
        taker.client.log();
        taker.frame("picture", cursor).copy(&taker.buffer);
        fixture.roundtrip(&mut taker.client);
        assert_eq!(
            taker.client.log(),
            ["picture: buffer 300x200", "picture: offered", "picture: flags", "picture: ready"]
        );
        assert_eq!((taker.pixel(x + 5, y + 5), taker.pixel(x, y)), (expected, 0x123456));
    }
    // The picture that shows has its cursor all the same.
    assert_eq!(fixture.pixel((x + 5) as usize, (y + 5) as usize), 0);
}

#[test]
fn there_is_no_picture_of_an_output_that_is_another_by_now() {
    let mut fixture = fixture();
    let mut taker = Taker::connect(&mut fixture);
    let first = taker.frame("first", true);
    first.copy(&taker.buffer);
    let (early, late) = (taker.frame("early", true), taker.frame("late", true));
    early.copy_with_damage(&taker.buffer);
    fixture.roundtrip(&mut taker.client);
    taker.client.log();
    fixture.server().output.change(Size::new(150, 100), 1, 0);
    fixture.server().schedule_frame();
    late.copy(&taker.buffer);
    fixture.roundtrip(&mut taker.client);
    fixture.roundtrip(&mut taker.client);
    assert_eq!(taker.client.log(), ["output: done", "early: failed", "late: failed"]);
}

#[test]
fn a_region_is_in_logical_units() {
    let mut fixture = fixture();
    fixture.server().output.change(Size::new(WIDTH, HEIGHT), 2, 0);
    let mut taker = Taker::connect(&mut fixture);
    let capture = |name, x, y, w, h| {
        taker.manager.capture_output_region(0, &taker.output, x, y, w, h, &taker.client.qh, name);
    };
    capture("all", 0, 0, 150, 100);
    capture("corner", 140, 90, 100, 100);
    capture("beyond", 150, 0, 10, 10);
    fixture.roundtrip(&mut taker.client);
    let told = taker.client.log();
    assert_eq!(
        told,
        ["all: buffer 300x200", "all: offered", "corner: buffer 20x20", "corner: offered", "beyond: failed"]
    );
}

#[test]
fn one_picture_for_each_client_in_a_turn() {
    let mut fixture = fixture();
    let (mut greedy, mut modest) = (Taker::connect(&mut fixture), Taker::connect(&mut fixture));
    for taker in [&mut greedy, &mut modest] {
        taker.frame("before", true).copy(&taker.buffer);
        fixture.roundtrip(&mut taker.client);
    }
    for name in ["one", "two", "three"] {
        greedy.frame(name, true).copy_with_damage(&greedy.buffer);
    }
    modest.frame("mine", true).copy_with_damage(&modest.buffer);
    for taker in [&mut greedy, &mut modest] {
        fixture.roundtrip(&mut taker.client);
        taker.client.log();
    }
    let screen = (Size::new(WIDTH, HEIGHT), 1);
    let due = |fixture: &mut Fixture| fixture.server().screencopy.due(screen);
    assert_eq!(due(&mut fixture), (vec![], false));
    fixture.server().screencopy.damaged(&Rect::new(0, 0, 1, 1).to_region());
    let (now, more) = due(&mut fixture);
    assert_eq!((now.len(), more), (2, true));
    for (taker, expected) in [(&mut greedy, "one: ready"), (&mut modest, "mine: ready")] {
        fixture.roundtrip(&mut taker.client);
        assert_eq!(taker.client.log().last().map(String::as_str), Some(expected));
    }
    // The damage has been told.
    assert_eq!(due(&mut fixture), (vec![], false));
}

#[test]
fn a_picture_that_fills_too_much_memory_ends_its_client() {
    let mut fixture = Fixture::with(|c| {
        c.screencopy = true;
        c.limits.touched_bytes = 64 << 10;
    });
    fixture.server().schedule_frame();
    let (mut taker, mut other) = (Taker::connect(&mut fixture), fixture.connect());
    taker.frame("too large", true).copy(&taker.buffer);
    fixture.roundtrip(&mut taker.client);
    assert_eq!(fixture.error(&mut taker.client), ("wl_display".to_owned(), 2));
    assert_eq!(taker.pixel(0, 0), 0);
    fixture.roundtrip(&mut other);
    assert_eq!(other.error(), None);
}

#[test]
fn nothing_is_kept_of_what_is_gone() {
    let mut fixture = fixture();
    let mut taker = Taker::connect(&mut fixture);
    let (kept, gone) = (taker.frame("kept", true), taker.frame("gone", true));
    kept.copy(&taker.buffer);
    fixture.roundtrip(&mut taker.client);
    gone.copy_with_damage(&taker.buffer);
    taker.manager.destroy();
    fixture.roundtrip(&mut taker.client);
    let counts = |s: &super::Screencopy| (s.managers.len(), s.shots.len(), s.waiting);
    assert_eq!(counts(&fixture.server().screencopy), (1, 2, 1));
    gone.destroy();
    kept.destroy();
    fixture.roundtrip(&mut taker.client);
    assert_eq!(counts(&fixture.server().screencopy), (0, 0, 0));
    // And with a client that just goes.
    let mut other = Taker::connect(&mut fixture);
    let (kept, gone) = (other.frame("kept", true), other.frame("gone", true));
    kept.copy(&other.buffer);
    fixture.roundtrip(&mut other.client);
    gone.copy_with_damage(&other.buffer);
    fixture.roundtrip(&mut other.client);
    drop(other);
    fixture.roundtrip(&mut taker.client);
    fixture.roundtrip(&mut taker.client);
    assert_eq!(counts(&fixture.server().screencopy), (0, 0, 0));
}

#[test]
fn the_logical_size_follows_the_output() {
    let mut fixture = fixture();
    let mut taker = Taker::connect(&mut fixture);
    let old: ZxdgOutputManagerV1 = taker.client.global(2).unwrap();
    let new: ZxdgOutputManagerV1 = taker.client.global(3).unwrap();
    old.get_xdg_output(&taker.output, &taker.client.qh, "old");
    let gone = new.get_xdg_output(&taker.output, &taker.client.qh, "gone");
    new.get_xdg_output(&taker.output, &taker.client.qh, "new");
    gone.destroy();
    fixture.roundtrip(&mut taker.client);
    taker.client.log();
    fixture.server().output.change(Size::new(400, 100), 2, 0);
    fixture.roundtrip(&mut taker.client);
    assert_eq!(taker.client.log(), ["old: 200x50", "old: done", "new: 200x50", "output: done"]);
    assert_eq!(fixture.server().output.described.len(), 2);
}

impl Dispatch<ZwlrScreencopyFrameV1, &'static str> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwlrScreencopyFrameV1,
        event: zwlr_screencopy_frame_v1::Event,
        name: &&'static str,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwlr_screencopy_frame_v1::Event;
        seen.log.push(match event {
            Event::Buffer { width, height, .. } => format!("{name}: buffer {width}x{height}"),
            Event::BufferDone => format!("{name}: offered"),
            Event::Flags { .. } => format!("{name}: flags"),
            Event::Ready { .. } => format!("{name}: ready"),
            Event::Failed => format!("{name}: failed"),
            _ => return,
        });
    }
}

impl Dispatch<ZxdgOutputV1, &'static str> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZxdgOutputV1,
        event: zxdg_output_v1::Event,
        name: &&'static str,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zxdg_output_v1::Event;
        seen.log.push(match event {
            Event::LogicalSize { width, height } => format!("{name}: {width}x{height}"),
            Event::Done => format!("{name}: done"),
            _ => return,
        });
    }
}

impl Dispatch<WlOutput, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &WlOutput,
        event: wl_output::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_output::Event::Done = event {
            seen.log.push("output: done".into());
        }
    }
}

delegate_noop!(Seen: ZwlrScreencopyManagerV1);
delegate_noop!(Seen: ZxdgOutputManagerV1);
