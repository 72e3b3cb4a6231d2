//! Popups: placed, repositioned, nested, with a grab, dismissed.

use selkie_protocols::upstream::xdg::shell::client::xdg_positioner::{ConstraintAdjustment, XdgPositioner};

use crate::surface::SurfaceId;
use crate::testing::{Client, Fixture, Window};

const RED: u32 = 0xff0000;
const GREEN: u32 = 0x00ff00;
const SIZE: (i32, i32) = (40, 30);

/// A client with a window of 100x80 at 100,60.
fn window(fixture: &mut Fixture) -> (Client, Window) {
    let mut client = fixture.connect();
    let window = fixture.map(&mut client, "a", (100, 80), RED);
    (client, window)
}

/// A popup with a grab that shows, opened by a click into its parent.
fn menu(fixture: &mut Fixture, client: &mut Client, name: &'static str, parent: &Window) -> Window {
    let serial = fixture.click(client, parent);
    menu_for(fixture, client, name, parent, serial)
}

fn menu_for(
    fixture: &mut Fixture,
    client: &mut Client,
    name: &'static str,
    parent: &Window,
    serial: u32,
) -> Window {
    let menu = client.popup(name, parent, &client.positioner(SIZE, (0, 0)));
    menu.popup().grab(&client.globals().seat, serial);
    fixture.show(client, &menu, SIZE, GREEN);
    menu
}

fn grabs(fixture: &mut Fixture) -> Vec<SurfaceId> {
    fixture.server().shell.popup_grabs.clone()
}

#[test]
fn a_popup_is_placed_beside_its_parent() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = client.window("a");
    // With a shadow of 10: positions count from the geometry.
    window.xdg.set_window_geometry(10, 10, 100, 80);
    fixture.show(&mut client, &window, (120, 100), RED);
    let popup = client.popup("p", &window, &client.positioner(SIZE, (95, 20)));
    popup.surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["p: 40x30 at 95,20"]);
    client.ack(&popup);
    client.draw(&popup.surface, SIZE, GREEN);
    fixture.roundtrip(&mut client);
    assert_eq!(fixture.corner(&popup), (195, 80));
    assert_eq!(fixture.pixel(195, 80), GREEN);
    assert_eq!(fixture.pixel(234, 109), GREEN);
    let under = fixture.server().surface_under((196.0, 81.0));
    assert_eq!(under, Some((popup.id(fixture.server()), (1.0, 1.0))));
}

#[test]
fn a_popup_stays_on_the_output_if_it_may_move() {
    let mut fixture = Fixture::new();
    let (mut client, window) = window(&mut fixture);
    let positioner = client.positioner(SIZE, (190, 130));
    positioner.set_constraint_adjustment(ConstraintAdjustment::SlideX | ConstraintAdjustment::FlipY);
    let popup = client.popup("p", &window, &positioner);
    popup.surface.commit();
    fixture.roundtrip(&mut client);
    // Below 190 it would end at 190 + 60 + 40: slid to 300. Below 131 + 60 it would end at 221:
    // flipped to end at 131 - the anchor rectangle is one high.
    assert_eq!(client.log(), ["p: 40x30 at 160,101"]);
}

#[test]
fn a_reposition_takes_effect_when_it_is_acked() {
    let mut fixture = Fixture::new();
    let (mut client, window) = window(&mut fixture);
    let popup = client.popup("p", &window, &client.positioner(SIZE, (0, 0)));
    fixture.show(&mut client, &popup, SIZE, GREEN);
    popup.popup().reposition(&client.positioner((20, 20), (50, 60)), 77);
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["p: repositioned 77", "p: 20x20 at 50,60"]);
    assert_eq!(fixture.corner(&popup), (100, 60));
    client.ack(&popup);
    client.draw(&popup.surface, (20, 20), GREEN);
    fixture.roundtrip(&mut client);
    assert_eq!(fixture.corner(&popup), (150, 120));
}

#[test]
fn a_reactive_popup_is_placed_again_when_its_window_moves() {
    let mut fixture = Fixture::new();
    let (mut client, window) = window(&mut fixture);
    let slides = |client: &Client| -> XdgPositioner {
        let positioner = client.positioner(SIZE, (90, 0));
        positioner.set_constraint_adjustment(ConstraintAdjustment::SlideX);
        positioner
    };
    let still = client.popup("still", &window, &slides(&client));
    fixture.show(&mut client, &still, SIZE, GREEN);
    let positioner = slides(&client);
    positioner.set_reactive();
    let reactive = client.popup("reactive", &window, &positioner);
    fixture.show(&mut client, &reactive, SIZE, GREEN);
    let id = window.id(fixture.server());
    fixture.server().begin_move(id);
    fixture.server().shell_grab_motion((10.0, 0.0));
    fixture.roundtrip(&mut client);
    assert!(client.log().is_empty());
    fixture.server().shell_grab_motion((90.0, 0.0));
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["reactive: 40x30 at 70,0"]);
}

#[test]
fn grabs_are_a_stack_and_a_press_elsewhere_ends_them_topmost_first() {
    let mut fixture = Fixture::new();
    let mut other = fixture.connect();
    fixture.map(&mut other, "other", (300, 200), 0);
    let (mut client, window) = window(&mut fixture);
    let first = menu(&mut fixture, &mut client, "first", &window);
    let second = menu(&mut fixture, &mut client, "second", &first);
    let (first_id, second_id) = (first.id(fixture.server()), second.id(fixture.server()));
    assert_eq!(grabs(&mut fixture), [first_id, second_id]);
    // On the client's own surface: the client decides.
    fixture.click(&mut client, &window);
    assert!(client.log().is_empty());
    fixture.point(1.0, 1.0);
    fixture.press();
    fixture.release();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["second: done", "first: done", "a: 0x0 []"]);
    assert!(grabs(&mut fixture).is_empty());
    assert_ne!(fixture.pixel(101, 61), GREEN);
    // The client cleans up in any order: they are over.
    first.popup().destroy();
    second.popup().destroy();
    fixture.roundtrip(&mut client);
    assert_eq!(client.error(), None);
}

#[test]
fn a_press_on_nothing_ends_grabs_too() {
    let mut fixture = Fixture::new();
    let (mut client, window) = window(&mut fixture);
    menu(&mut fixture, &mut client, "menu", &window);
    fixture.server().shell_button_pressed_on(None);
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["menu: done"]);
}

#[test]
fn a_grab_returns_to_the_popup_below() {
    let mut fixture = Fixture::new();
    let (mut client, window) = window(&mut fixture);
    let first = menu(&mut fixture, &mut client, "first", &window);
    let second = menu(&mut fixture, &mut client, "second", &first);
    second.popup().destroy();
    fixture.roundtrip(&mut client);
    assert_eq!(grabs(&mut fixture), [first.id(fixture.server())]);
    first.popup().destroy();
    fixture.roundtrip(&mut client);
    assert!(grabs(&mut fixture).is_empty());
    assert!(client.log().is_empty());
}

#[test]
fn a_second_menu_beside_the_first_is_an_error() {
    let mut fixture = Fixture::new();
    let (mut client, window) = window(&mut fixture);
    menu(&mut fixture, &mut client, "first", &window);
    let serial = fixture.click(&mut client, &window);
    let second = client.popup("second", &window, &client.positioner(SIZE, (0, 0)));
    second.popup().grab(&client.globals().seat, serial);
    second.surface.commit();
    fixture.roundtrip(&mut client);
    client.ack(&second);
    client.draw(&second.surface, SIZE, GREEN);
    assert_eq!(fixture.error(&mut client), ("xdg_wm_base".into(), 2));
}

#[test]
fn another_clients_menu_ends_the_first() {
    let mut fixture = Fixture::new();
    let (mut client, window_a) = window(&mut fixture);
    let (mut other, window_b) = window(&mut fixture);
    let serial = fixture.click(&mut other, &window_b);
    menu(&mut fixture, &mut client, "first", &window_a);
    menu_for(&mut fixture, &mut other, "second", &window_b, serial);
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["first: done"]);
    assert_eq!(grabs(&mut fixture).len(), 1);
}

#[test]
fn popups_go_with_their_window() {
    let mut fixture = Fixture::new();
    let (mut client, window) = window(&mut fixture);
    let popup = menu(&mut fixture, &mut client, "menu", &window);
    window.surface.attach(None, 0, 0);
    window.surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["menu: done"]);
    // What was over before it began.
    let late = client.popup("late", &popup, &client.positioner(SIZE, (0, 0)));
    late.surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["late: done"]);
}

#[test]
fn a_popup_can_be_unmapped_and_shown_again() {
    let mut fixture = Fixture::new();
    let (mut client, window) = window(&mut fixture);
    let popup = client.popup("p", &window, &client.positioner(SIZE, (0, 0)));
    fixture.show(&mut client, &popup, SIZE, GREEN);
    popup.surface.attach(None, 0, 0);
    popup.surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(fixture.pixel(101, 61), RED);
    fixture.show(&mut client, &popup, SIZE, GREEN);
    assert_eq!(fixture.pixel(101, 61), GREEN);
}

#[test]
fn a_frame_that_crosses_a_dismissal_is_no_mistake() {
    let mut fixture = Fixture::new();
    let (mut client, window) = window(&mut fixture);
    let popup = menu(&mut fixture, &mut client, "menu", &window);
    fixture.server().shell_button_pressed_on(None);
    popup.popup().reposition(&client.positioner(SIZE, (0, 0)), 1);
    client.draw(&popup.surface, SIZE, GREEN);
    fixture.roundtrip(&mut client);
    assert_eq!((client.error(), client.log()), (None, vec!["menu: done".to_owned()]));
    assert_eq!(fixture.pixel(138, 88), RED);
}

#[test]
fn what_hangs_on_a_popup_goes_before_it() {
    let mut fixture = Fixture::new();
    let (mut client, window) = window(&mut fixture);
    let menu = menu(&mut fixture, &mut client, "menu", &window);
    let tip = client.popup("tip", &menu, &client.positioner((5, 5), (0, 0)));
    fixture.show(&mut client, &tip, (5, 5), RED);
    fixture.server().shell_button_pressed_on(None);
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["tip: done", "menu: done"]);
}

#[test]
fn a_grab_without_a_press_is_over_at_once() {
    let mut fixture = Fixture::new();
    let (mut client, window) = window(&mut fixture);
    let menu = client.popup("menu", &window, &client.positioner(SIZE, (0, 0)));
    menu.popup().grab(&client.globals().seat, 12345);
    menu.surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!((client.error(), client.log()), (None, vec!["menu: done".to_owned()]));
}
