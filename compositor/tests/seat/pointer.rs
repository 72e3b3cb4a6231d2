//! `wl_pointer`.

use selkie_compositor::{Axis, AxisSource, InputEvent};
use wayland_client::protocol::wl_region::WlRegion;
use wayland_client::{Dispatch, delegate_noop};

use super::client::{Client, State};
use super::fixture::{Fixture, LEFT, RIGHT};

delegate_noop!(State: ignore WlRegion);

#[test]
fn a_seat_without_devices_has_a_pointer_and_a_keyboard() {
    let fixture = Fixture::new();
    let client = Client::new(&fixture);
    assert_eq!(client.first, ["name seat0", "capabilities 3", "keymap 1", "repeat 25,600"]);
    let old = Client::with_versions(&fixture, 1, 1);
    assert_eq!(old.first, ["capabilities 3", "keymap 1"]);
}

#[test]
fn the_pointer_enters_moves_and_leaves() {
    let fixture = Fixture::new();
    let mut a = Client::new(&fixture);
    let mut b = Client::new(&fixture);
    let _window = a.window("a");
    a.events();
    let _other = b.window("b");
    b.events();
    a.events();
    fixture.point(15.5, 30.0);
    assert_eq!(a.events(), ["enter a 5.5,20", "frame"]);
    fixture.point(16.0, 31.25);
    assert_eq!(a.events(), ["motion 6,21.25 at 5", "frame"]);
    fixture.point(110.0, 10.0);
    assert_eq!(a.events(), ["leave a", "frame"]);
    assert_eq!(b.events(), ["enter b 0,0", "frame"]);
    fixture.input(InputEvent::PointerLeave);
    assert_eq!(b.events(), ["leave b", "frame"]);
    fixture.point(5.0, 5.0);
    assert_eq!((a.events(), b.events()), (vec![], vec![]));
}

#[test]
fn events_of_one_frame_are_grouped() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    let _window = client.window("a");
    client.events();
    fixture.input(InputEvent::PointerMotion { x: 20.0, y: 20.0, time_us: 1_000 });
    fixture.input(InputEvent::PointerButton { button: RIGHT, pressed: true, time_us: 1_000 });
    fixture.frame();
    fixture.frame();
    let events = client.events();
    assert_eq!(events, ["enter a 10,10", "button 0x111 down at 1", "frame"]);
}

#[test]
fn while_a_button_is_down_the_window_keeps_the_pointer() {
    let fixture = Fixture::new();
    let mut a = Client::new(&fixture);
    let mut b = Client::new(&fixture);
    let _window = a.window("a");
    a.events();
    let _other = b.window("b");
    b.events();
    fixture.point(20.0, 20.0);
    a.events();
    fixture.button(LEFT, true);
    fixture.point(120.0, 20.0);
    fixture.button(RIGHT, true);
    fixture.button(LEFT, false);
    fixture.point(121.0, 20.0);
    let events: Vec<_> = a.events().into_iter().filter(|e| !is_keyboard(e)).collect();
    assert_eq!(
        events,
        [
            "button 0x110 down at 6",
            "frame",
            "motion 110,10 at 5",
            "frame",
            "button 0x111 down at 6",
            "frame",
            "button 0x110 up at 6",
            "frame",
            "motion 111,10 at 5",
            "frame"
        ]
    );
    assert!(!b.events().iter().any(|e| e.starts_with("enter")));
    fixture.button(RIGHT, false);
    assert_eq!(a.events(), ["button 0x111 up at 6", "leave a", "frame"]);
    assert_eq!(b.events(), ["enter b 11,10", "frame"]);
}

fn is_keyboard(event: &str) -> bool {
    ["keyboard", "no keyboard", "modifiers", "selection"].iter().any(|k| event.starts_with(k))
}

#[test]
fn a_click_gives_the_keyboard() {
    let fixture = Fixture::new();
    let mut a = Client::new(&fixture);
    let mut b = Client::new(&fixture);
    let _window = a.window("a");
    assert_eq!(a.events(), ["selection nothing", "keyboard a []", "modifiers 0,0,0,0"]);
    let _other = b.window("b");
    assert_eq!(b.events(), ["selection nothing", "keyboard b []", "modifiers 0,0,0,0"]);
    assert_eq!(a.events(), ["no keyboard a"]);
    fixture.point(20.0, 20.0);
    a.events();
    fixture.button(LEFT, true);
    assert_eq!(
        a.events(),
        ["selection nothing", "keyboard a []", "modifiers 0,0,0,0", "button 0x110 down at 6", "frame"]
    );
    assert_eq!(b.events(), ["no keyboard b"]);
}

#[test]
fn a_resting_pointer_follows_what_changes_under_it() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    fixture.point(50.0, 50.0);
    let window = client.window("a");
    let events = client.events();
    assert_eq!(events.iter().filter(|e| !is_keyboard(e)).collect::<Vec<_>>(), ["enter a 40,40", "frame"]);
    let region = client.compositor.create_region(&client.handle(), ());
    region.add(0, 0, 30, 30);
    window.surface.set_input_region(Some(&region));
    window.surface.commit();
    assert_eq!(client.events(), ["leave a", "frame"]);
    window.surface.set_input_region(None);
    window.surface.commit();
    assert_eq!(client.events(), ["enter a 40,40", "frame"]);
    window.surface.attach(None, 0, 0);
    window.surface.commit();
    let events = client.events();
    assert_eq!(events.iter().filter(|e| !is_keyboard(e)).collect::<Vec<_>>(), ["leave a", "frame"]);
}

/// The window is 80x80 in the middle of its cell: as it becomes larger, its corner moves.
#[test]
fn a_window_that_moves_under_the_pointer_warps_it() {
    let fixture = Fixture::new();
    let mut new = Client::new(&fixture);
    let mut old = Client::with_versions(&fixture, 10, 3);
    let first = new.window("new");
    new.events();
    let second = old.window("old");
    old.events();
    fixture.point(50.0, 50.0);
    new.events();
    old.events();
    new.show(&first.surface, (90, 90));
    assert_eq!(new.events(), ["warp 45,45", "frame"]);
    fixture.point(150.0, 50.0);
    old.events();
    old.show(&second.surface, (90, 90));
    assert_eq!(old.events(), ["motion 45,45 at 5", "frame"]);
}

#[test]
fn scrolling_says_as_much_as_each_version_can_hear() {
    let up = Axis { value: -15.0, value120: -120, ..Axis::default() };
    let half = Axis { value: 7.5, value120: 60, ..Axis::default() };
    let fingers = Axis { value: 3.0, inverted: true, ..Axis::default() };
    let stop = Axis { stop: true, ..Axis::default() };
    let expected: [(u32, &[&str]); 5] = [
        (4, &["axis 0 -15 at 7", "axis 0 7.5 at 7", "axis 0 7.5 at 7", "axis 1 3 at 7", "axis 0 3 at 7"]),
        (
            5,
            &[
                "source 0",
                "discrete 0 -1",
                "axis 0 -15 at 7",
                "frame", //
                "source 0",
                "axis 0 7.5 at 7",
                "frame", //
                "source 0",
                "discrete 0 1",
                "axis 0 7.5 at 7",
                "frame", //
                "source 0",
                "axis 1 3 at 7",
                "frame", //
                "source 1",
                "axis 0 3 at 7",
                "frame", //
                "source 1",
                "stop 0 at 7",
                "frame",
            ],
        ),
        (
            6,
            &[
                "source 0",
                "discrete 0 -1",
                "axis 0 -15 at 7",
                "frame", //
                "source 0",
                "axis 0 7.5 at 7",
                "frame", //
                "source 0",
                "discrete 0 1",
                "axis 0 7.5 at 7",
                "frame", //
                "source 3",
                "axis 1 3 at 7",
                "frame", //
                "source 1",
                "axis 0 3 at 7",
                "frame", //
                "source 1",
                "stop 0 at 7",
                "frame",
            ],
        ),
        (
            8,
            &[
                "source 0",
                "value120 0 -120",
                "axis 0 -15 at 7",
                "frame", //
                "source 0",
                "value120 0 60",
                "axis 0 7.5 at 7",
                "frame", //
                "source 0",
                "value120 0 60",
                "axis 0 7.5 at 7",
                "frame", //
                "source 3",
                "axis 1 3 at 7",
                "frame", //
                "source 1",
                "axis 0 3 at 7",
                "frame", //
                "source 1",
                "stop 0 at 7",
                "frame",
            ],
        ),
        (
            9,
            &[
                "source 0",
                "direction 0 0",
                "value120 0 -120",
                "axis 0 -15 at 7",
                "frame", //
                "source 0",
                "direction 0 0",
                "value120 0 60",
                "axis 0 7.5 at 7",
                "frame", //
                "source 0",
                "direction 0 0",
                "value120 0 60",
                "axis 0 7.5 at 7",
                "frame", //
                "source 3",
                "direction 1 1",
                "axis 1 3 at 7",
                "frame", //
                "source 1",
                "direction 0 1",
                "axis 0 3 at 7",
                "frame", //
                "source 1",
                "stop 0 at 7",
                "frame",
            ],
        ),
    ];
    for (version, expected) in expected {
        let fixture = Fixture::new();
        let mut client = Client::with_versions(&fixture, version, 3);
        let _window = client.window("a");
        fixture.point(20.0, 20.0);
        client.events();
        fixture.scroll(AxisSource::Wheel, Axis::default(), up);
        fixture.scroll(AxisSource::Wheel, Axis::default(), half);
        fixture.scroll(AxisSource::Wheel, Axis::default(), half);
        fixture.scroll(AxisSource::WheelTilt, fingers, Axis::default());
        fixture.scroll(AxisSource::Finger, Axis::default(), fingers);
        fixture.scroll(AxisSource::Finger, Axis::default(), stop);
        assert_eq!(client.events(), expected, "version {version}");
    }
}

#[test]
fn another_pointer_of_the_client_is_told_where_it_is() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    let _window = client.window("a");
    fixture.point(20.0, 20.0);
    client.events();
    let another = client.seat.get_pointer(&client.handle(), ());
    assert_eq!(client.events(), ["enter a 10,10", "frame"]);
    fixture.point(21.0, 20.0);
    assert_eq!(client.events(), ["motion 11,10 at 5", "motion 11,10 at 5", "frame", "frame"]);
    another.release();
    fixture.point(22.0, 20.0);
    assert_eq!(client.events(), ["motion 12,10 at 5", "frame"]);
}

#[test]
fn there_is_no_touch_screen() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    client.seat.get_touch(&client.handle(), ());
    let (interface, code, _) = client.error();
    assert_eq!((interface.as_str(), code), ("wl_seat", 0));
}

impl Dispatch<wayland_client::protocol::wl_touch::WlTouch, ()> for State {
    fn event(
        _: &mut Self,
        _: &wayland_client::protocol::wl_touch::WlTouch,
        event: wayland_client::protocol::wl_touch::Event,
        _: &(),
        _: &wayland_client::Connection,
        _: &wayland_client::QueueHandle<Self>,
    ) {
        panic!("{event:?}");
    }
}

#[test]
fn a_client_without_a_seat_of_its_own_makes_no_trouble() {
    let fixture = Fixture::new();
    let mut a = Client::new(&fixture);
    let _window = a.window("a");
    a.events();
    a.pointer.release();
    a.keyboard.release();
    a.device.release();
    fixture.point(20.0, 20.0);
    fixture.button(LEFT, true);
    fixture.key(30, true);
    assert_eq!(a.events(), Vec::<String>::new());
}

#[test]
fn alt_and_a_button_move_and_resize() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    let _window = client.window("a");
    fixture.point(20.0, 20.0);
    client.events();
    fixture.key(56, true);
    client.events();
    fixture.button(LEFT, true);
    fixture.point(25.0, 22.0);
    assert_eq!(client.events(), ["leave a", "frame"]);
    fixture.button(LEFT, false);
    assert_eq!(client.events(), ["enter a 10,10", "frame"]);
    fixture.point(16.0, 13.0);
    // Its corner went along, from 10,10 to 15,12.
    assert_eq!(client.events(), ["motion 1,1 at 5", "frame"]);
}

#[test]
fn a_client_can_have_itself_moved_while_it_is_pressed() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    let window = client.window("a");
    fixture.point(20.0, 20.0);
    client.events();
    fixture.button(LEFT, true);
    client.events();
    let press = client.serial("press");
    window.toplevel._move(&client.seat, press);
    assert_eq!(client.events(), ["leave a", "frame"]);
    fixture.point(30.0, 20.0);
    fixture.button(LEFT, false);
    assert_eq!(client.events(), ["enter a 10,10", "frame"]);
    // The press is over.
    window.toplevel._move(&client.seat, press);
    fixture.point(31.0, 20.0);
    assert_eq!(client.events(), ["motion 11,10 at 5", "frame"]);
}

#[test]
fn a_grabbing_popup_has_the_keyboard_and_a_click_beside_it_only_closes_it() {
    let fixture = Fixture::new();
    let mut a = Client::new(&fixture);
    let mut b = Client::new(&fixture);
    let other = b.window("b");
    b.events();
    let window = a.window("a");
    fixture.point(150.0, 50.0);
    a.events();
    b.events();
    fixture.button(RIGHT, true);
    a.events();
    let _popup = a.popup("popup", &window, Some(a.serial("press")));
    assert_eq!(
        a.events(),
        ["no keyboard a", "keyboard popup []", "modifiers 0,0,0,0", "leave a", "enter popup 10,10", "frame"]
    );
    fixture.button(RIGHT, false);
    assert_eq!(a.events(), ["button 0x111 up at 6", "frame"]);
    // Over the other client's window there is nothing.
    fixture.point(50.0, 50.0);
    assert_eq!(a.events(), ["leave popup", "frame"]);
    fixture.button(LEFT, true);
    fixture.button(LEFT, false);
    let events = b.events();
    assert!(!events.iter().any(|e| e.starts_with("button")), "{events:?}");
    assert!(events.contains(&"enter b 40,40".to_owned()), "{events:?}");
    assert!(a.events().contains(&"popup done".to_owned()));
    other.surface.destroy();
}
