//! What follows the pointer, in pictures; and requests in any order. What clients are told is tested from
//! outside, in `tests/seat`.

mod random;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use wayland_client::protocol::wl_data_device::{self, WlDataDevice};
use wayland_client::protocol::wl_data_device_manager::WlDataDeviceManager;
use wayland_client::protocol::wl_data_offer::WlDataOffer;
use wayland_client::protocol::wl_data_source::WlDataSource;
use wayland_client::protocol::wl_keyboard::{self, WlKeyboard};
use wayland_client::protocol::wl_pointer::{self, WlPointer};
use wayland_client::{Connection, Dispatch, QueueHandle, delegate_noop, event_created_child};

use crate::seat::InputEvent;
use crate::testing::{Client, Fixture, Seen};

/// What a client heard of the seat.
#[derive(Default)]
struct Heard {
    enter: AtomicU32,
    press: AtomicU32,
    keyboard: AtomicU32,
    offers: Mutex<Vec<WlDataOffer>>,
}

/// A client's objects of the seat.
struct Hands {
    heard: Arc<Heard>,
    manager: WlDataDeviceManager,
    pointer: WlPointer,
    keyboard: WlKeyboard,
    device: WlDataDevice,
}

impl Hands {
    fn new(client: &Client) -> Self {
        let heard = Arc::new(Heard::default());
        let seat = &client.globals().seat;
        let manager: WlDataDeviceManager = client.global(3).unwrap();
        Self {
            pointer: seat.get_pointer(&client.qh, heard.clone()),
            keyboard: seat.get_keyboard(&client.qh, heard.clone()),
            device: manager.get_data_device(seat, &client.qh, heard.clone()),
            manager,
            heard,
        }
    }

    fn entered(&self) -> u32 {
        self.heard.enter.load(Ordering::Relaxed)
    }

    fn pressed(&self) -> u32 {
        self.heard.press.load(Ordering::Relaxed)
    }
}

impl Dispatch<WlPointer, Arc<Heard>> for Seen {
    fn event(
        _: &mut Self,
        _: &WlPointer,
        event: wl_pointer::Event,
        heard: &Arc<Heard>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            wl_pointer::Event::Enter { serial, .. } => heard.enter.store(serial, Ordering::Relaxed),
            wl_pointer::Event::Button { serial, .. } => heard.press.store(serial, Ordering::Relaxed),
            _ => {}
        }
    }
}

impl Dispatch<WlKeyboard, Arc<Heard>> for Seen {
    fn event(
        _: &mut Self,
        _: &WlKeyboard,
        event: wl_keyboard::Event,
        heard: &Arc<Heard>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_keyboard::Event::Enter { serial, .. } = event {
            heard.keyboard.store(serial, Ordering::Relaxed);
        }
    }
}

impl Dispatch<WlDataDevice, Arc<Heard>> for Seen {
    fn event(
        _: &mut Self,
        _: &WlDataDevice,
        event: wl_data_device::Event,
        heard: &Arc<Heard>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_data_device::Event::DataOffer { id } = event {
            heard.offers.lock().unwrap().push(id);
        }
    }

    event_created_child!(Seen, WlDataDevice, [
        wl_data_device::EVT_DATA_OFFER_OPCODE => (WlDataOffer, ()),
    ]);
}

delegate_noop!(Seen: ignore WlDataDeviceManager);
delegate_noop!(Seen: ignore WlDataOffer);
delegate_noop!(Seen: ignore WlDataSource);

const WINDOW: u32 = 0x4040_4040;
const RED: u32 = 0xffff_0000;
const GREEN: u32 = 0xff00_ff00;

/// What shows at points of the output, `.` where that is the window.
fn row(fixture: &mut Fixture, y: usize, xs: std::ops::Range<usize>) -> String {
    let pixel = |x| match fixture.pixel(x, y) {
        p if p == WINDOW & 0xff_ffff => '.',
        0xff_0000 => 'R',
        0x00_ff00 => 'G',
        0x00_0000 => 'X',
        0xff_ffff => 'o',
        _ => '?',
    };
    xs.map(pixel).collect()
}

#[test]
fn our_arrow_shows_from_the_first_motion_on() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = fixture.map(&mut client, "a", (100, 100), WINDOW);
    let (x, y) = fixture.corner(&window);
    let (left, top) = (x as usize, y as usize);
    assert_eq!(row(&mut fixture, top + 10, left + 8..left + 16), "........");
    fixture.point(f64::from(x) + 10.9, f64::from(y) + 8.0);
    assert_eq!(row(&mut fixture, top + 8, left + 8..left + 16), "..X.....");
    assert_eq!(row(&mut fixture, top + 10, left + 8..left + 16), "..XoX...");
    fixture.server().input(InputEvent::PointerLeave);
    assert_eq!(row(&mut fixture, top + 10, left + 8..left + 16), "........");
}

#[test]
fn a_clients_cursor_shows_at_its_hotspot_as_long_as_its_client_has_the_pointer() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let hands = Hands::new(&client);
    let window = fixture.map(&mut client, "a", (100, 100), WINDOW);
    let (x, y) = fixture.corner(&window);
    let (left, top) = (x as usize, y as usize);
    fixture.point(f64::from(x) + 10.0, f64::from(y) + 10.0);
    fixture.roundtrip(&mut client);
    let surface = client.surface();
    // The serial is none that it was given: nothing changes.
    hands.pointer.set_cursor(hands.entered() + 1, Some(&surface), 1, 0);
    client.draw(&surface, (3, 3), RED);
    fixture.roundtrip(&mut client);
    assert_eq!(row(&mut fixture, top + 10, left + 8..left + 16), "..X.....");
    hands.pointer.set_cursor(hands.entered(), Some(&surface), 1, 0);
    fixture.roundtrip(&mut client);
    assert_eq!(row(&mut fixture, top + 10, left + 8..left + 16), ".RRR....");
    surface.offset(2, 0);
    surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(row(&mut fixture, top + 10, left + 8..left + 16), "...RRR..");
    fixture.point(f64::from(x) + 9.0, f64::from(y) + 10.0);
    assert_eq!(row(&mut fixture, top + 10, left + 8..left + 16), "..RRR...");
    hands.pointer.set_cursor(hands.entered(), None, 0, 0);
    fixture.roundtrip(&mut client);
    assert_eq!(row(&mut fixture, top + 10, left + 8..left + 16), "........");
    // Beyond the window it is nobody's, and over another's window it is ours again.
    let mut other = fixture.connect();
    let second = fixture.map(&mut other, "b", (50, 50), WINDOW);
    let (x, y) = fixture.corner(&second);
    fixture.point(f64::from(x) + 10.0, f64::from(y) + 10.0);
    assert_eq!(row(&mut fixture, y as usize + 12, x as usize + 8..x as usize + 16), "..XoX...");
}

#[test]
fn a_cursor_ends_with_its_surface() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let hands = Hands::new(&client);
    let window = fixture.map(&mut client, "a", (100, 100), WINDOW);
    let (x, y) = fixture.corner(&window);
    fixture.point(f64::from(x), f64::from(y));
    fixture.roundtrip(&mut client);
    let surface = client.surface();
    hands.pointer.set_cursor(hands.entered(), Some(&surface), 0, 0);
    client.draw(&surface, (3, 3), RED);
    fixture.roundtrip(&mut client);
    assert_eq!(row(&mut fixture, y as usize, x as usize..x as usize + 4), "RRR.");
    surface.destroy();
    fixture.roundtrip(&mut client);
    assert_eq!(row(&mut fixture, y as usize, x as usize..x as usize + 4), "....");
}

/// The left part of the window stays where it is.
#[test]
fn alt_and_the_right_button_resize_by_the_nearest_corner() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = fixture.map(&mut client, "a", (100, 100), WINDOW);
    let (x, y) = fixture.corner(&window);
    let alt = |pressed| InputEvent::Key { key: 56, pressed, time_us: 0 };
    let right = |pressed| InputEvent::PointerButton { button: 0x111, pressed, time_us: 0 };
    fixture.point(f64::from(x) + 90.0, f64::from(y) + 10.0);
    fixture.server().input(alt(true));
    fixture.server().input(right(true));
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 100x100 [Resizing Activated]"]);
    fixture.show(&mut client, &window, (100, 100), WINDOW);
    fixture.point(f64::from(x) + 97.0, f64::from(y) + 13.0);
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 107x97 [Resizing Activated]"]);
    fixture.server().input(right(false));
    fixture.server().input(alt(false));
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 107x97 [Activated]"]);
}

#[test]
fn a_drags_icon_follows_the_pointer_until_the_drop() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let hands = Hands::new(&client);
    let window = fixture.map(&mut client, "a", (100, 100), WINDOW);
    let (x, y) = fixture.corner(&window);
    let (left, top) = (x as usize, y as usize);
    fixture.point(f64::from(x) + 10.0, f64::from(y) + 10.0);
    fixture.roundtrip(&mut client);
    hands.pointer.set_cursor(hands.entered(), None, 0, 0);
    fixture.press();
    fixture.roundtrip(&mut client);
    let icon = client.surface();
    hands.device.start_drag(None, &window.surface, Some(&icon), hands.pressed());
    client.draw(&icon, (3, 3), GREEN);
    fixture.roundtrip(&mut client);
    assert_eq!(row(&mut fixture, top + 10, left + 8..left + 16), "..GGG...");
    icon.offset(-1, 0);
    icon.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(row(&mut fixture, top + 10, left + 8..left + 16), ".GGG....");
    fixture.point(f64::from(x) + 12.0, f64::from(y) + 10.0);
    assert_eq!(row(&mut fixture, top + 10, left + 8..left + 16), "...GGG..");
    fixture.release();
    assert_eq!(row(&mut fixture, top + 10, left + 8..left + 16), "........");
}
