//! Windows: from the first commit to the last.

use selkie_protocols::upstream::xdg::shell::client::xdg_toplevel::ResizeEdge;

use crate::config::Placement;
use crate::geometry::Size;
use crate::testing::{Client, Fixture, Window};

const RED: u32 = 0xff0000;
const GREEN: u32 = 0x00ff00;
const BLUE: u32 = 0x0000ff;

/// Acks what was asked for and draws it in that size.
fn answer(fixture: &mut Fixture, client: &mut Client, window: &Window, size: (i32, i32), color: u32) {
    client.ack(window);
    client.draw(&window.surface, size, color);
    fixture.roundtrip(client);
}

#[test]
fn a_window_is_configured_acked_and_shown_in_the_middle() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = client.window("a");
    window.surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: can Maximize Fullscreen", "a: bounds 300x200", "a: 0x0 []"]);
    client.ack(&window);
    client.draw(&window.surface, (100, 80), RED);
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 0x0 [Activated]"]);
    assert_eq!(fixture.corner(&window), (100, 60));
    assert_eq!(fixture.pixel(100, 60), RED);
    assert_eq!(fixture.pixel(199, 139), RED);
    assert_ne!(fixture.pixel(99, 60), RED);
    assert_ne!(fixture.pixel(200, 139), RED);
}

#[test]
fn an_old_client_is_told_nothing_new() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let base: selkie_protocols::upstream::xdg::shell::client::xdg_wm_base::XdgWmBase =
        client.global(1).unwrap();
    let surface = client.surface();
    let xdg = base.get_xdg_surface(&surface, &client.qh, "old");
    xdg.get_toplevel(&client.qh, "old");
    surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["old: 0x0 []"]);
}

#[test]
fn a_program_that_binds_any_version_sees_one_that_it_knows() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect_as("weston-presentation-shm");
    assert_eq!(wayland_client::Proxy::version(&client.globals().base), 3);
    let window = client.window("a");
    window.surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 0x0 []"]);
}

#[test]
fn states_that_were_set_before_the_first_commit_are_in_the_first_configure() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = client.window("a");
    window.toplevel().set_fullscreen(None);
    fixture.roundtrip(&mut client);
    assert!(client.log().is_empty());
    window.surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log().last().unwrap(), "a: 300x200 [Fullscreen]");
}

#[test]
fn a_maximised_window_fills_the_output_and_comes_back() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = fixture.map(&mut client, "a", (100, 80), RED);
    window.toplevel().set_maximized();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 300x200 [Maximized Activated]"]);
    // It stays where it is until the client has drawn what it was asked for.
    assert_eq!(fixture.corner(&window), (100, 60));
    answer(&mut fixture, &mut client, &window, (300, 200), GREEN);
    assert_eq!(fixture.corner(&window), (0, 0));
    assert_eq!(fixture.pixel(0, 0), GREEN);
    window.toplevel().unset_maximized();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 100x80 [Activated]"]);
    answer(&mut fixture, &mut client, &window, (100, 80), BLUE);
    assert_eq!(fixture.corner(&window), (100, 60));
    assert_ne!(fixture.pixel(0, 0), GREEN);
    // Asking for what is so already is answered, too.
    window.toplevel().unset_maximized();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 100x80 [Activated]"]);
}

#[test]
fn a_window_that_begins_maximised_gets_its_place_later() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = client.window("a");
    window.toplevel().set_maximized();
    fixture.show(&mut client, &window, (300, 200), RED);
    assert_eq!(fixture.corner(&window), (0, 0));
    window.toplevel().unset_maximized();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 0x0 [Activated]"]);
    answer(&mut fixture, &mut client, &window, (100, 80), GREEN);
    assert_eq!(fixture.corner(&window), (100, 60));
}

#[test]
fn leaving_fullscreen_goes_back_to_maximised() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = fixture.map(&mut client, "a", (100, 80), RED);
    window.toplevel().set_maximized();
    window.toplevel().set_fullscreen(None);
    window.toplevel().unset_fullscreen();
    window.toplevel().unset_maximized();
    fixture.roundtrip(&mut client);
    let expected = [
        "a: 300x200 [Maximized Activated]",
        "a: 300x200 [Maximized Fullscreen Activated]",
        "a: 300x200 [Maximized Activated]",
        "a: 100x80 [Activated]",
    ];
    assert_eq!(client.log(), expected);
}

#[test]
fn a_small_fullscreen_window_is_in_the_middle_on_black() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    fixture.map(&mut client, "below", (300, 200), BLUE);
    let window = fixture.map(&mut client, "a", (100, 80), RED);
    window.toplevel().set_fullscreen(None);
    fixture.roundtrip(&mut client);
    answer(&mut fixture, &mut client, &window, (60, 40), GREEN);
    assert_eq!(fixture.corner(&window), (120, 80));
    assert_eq!(fixture.pixel(120, 80), GREEN);
    assert_eq!(fixture.pixel(119, 80), 0);
    assert_eq!(fixture.pixel(0, 0), 0);
    // The black takes the pointer, too.
    assert_eq!(fixture.server().surface_under((1.0, 1.0)), None);
}

#[test]
fn a_size_that_a_window_chose_itself_is_the_one_it_is_told() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = fixture.map(&mut client, "a", (100, 80), RED);
    window.toplevel().set_maximized();
    window.toplevel().unset_maximized();
    fixture.roundtrip(&mut client);
    answer(&mut fixture, &mut client, &window, (100, 80), RED);
    client.draw(&window.surface, (50, 50), RED);
    fixture.roundtrip(&mut client);
    client.log();
    fixture.server().shell_activate(None);
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 50x50 []"]);
}

#[test]
fn an_unmapped_window_begins_again() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = fixture.map(&mut client, "a", (100, 80), RED);
    window.toplevel().set_maximized();
    window.surface.attach(None, 0, 0);
    window.surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 300x200 [Maximized Activated]"]);
    assert_ne!(fixture.pixel(150, 100), RED);
    // An ack that was on its way is no mistake.
    client.ack(&window);
    window.surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: can Maximize Fullscreen", "a: bounds 300x200", "a: 0x0 []"]);
    answer(&mut fixture, &mut client, &window, (100, 80), GREEN);
    assert_eq!(client.log(), ["a: 0x0 [Activated]"]);
    assert_eq!(fixture.pixel(150, 100), GREEN);
}

#[test]
fn a_role_object_can_be_made_again() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let mut window = fixture.map(&mut client, "a", (100, 80), RED);
    window.toplevel().destroy();
    fixture.roundtrip(&mut client);
    assert_ne!(fixture.pixel(150, 100), RED);
    // The old content does not show before the new window was configured.
    window.toplevel = Some(window.xdg.get_toplevel(&client.qh, "a"));
    window.surface.commit();
    fixture.roundtrip(&mut client);
    assert_ne!(fixture.pixel(150, 100), RED);
    assert_eq!(client.log().last().unwrap(), "a: 0x0 []");
    answer(&mut fixture, &mut client, &window, (100, 80), GREEN);
    assert_eq!(fixture.pixel(150, 100), GREEN);
}

#[test]
fn the_active_window_is_the_last_one_until_it_goes() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let a = fixture.map(&mut client, "a", (100, 80), RED);
    let b = client.window("b");
    b.surface.commit();
    fixture.roundtrip(&mut client);
    client.ack(&b);
    client.draw(&b.surface, (100, 80), BLUE);
    client.log();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 0x0 []", "b: 0x0 [Activated]"]);
    let id = a.id(fixture.server());
    fixture.server().shell_activate(Some(id));
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["b: 0x0 []", "a: 0x0 [Activated]"]);
    a.toplevel().destroy();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["b: 0x0 [Activated]"]);
}

#[test]
fn the_geometry_says_what_the_window_is() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = client.window("a");
    window.xdg.set_window_geometry(10, 20, 100, 80);
    fixture.show(&mut client, &window, (120, 120), RED);
    assert_eq!(fixture.corner(&window), (100, 60));
    // The shadow is outside.
    assert_eq!(fixture.pixel(90, 40), RED);
    assert_ne!(fixture.pixel(89, 40), RED);
    // More than there is, is cut to what there is.
    window.xdg.set_window_geometry(-5, -5, 1000, 1000);
    window.surface.commit();
    fixture.roundtrip(&mut client);
    let id = window.id(fixture.server());
    let server = fixture.server();
    assert_eq!(server.shell.geometry(&server.surfaces, id).size(), Size::new(120, 120));
}

#[test]
fn without_a_geometry_subsurfaces_count() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = client.window("a");
    let child = client.surface();
    let sub = client.globals().subcompositor.get_subsurface(&child, &window.surface, &client.qh, ());
    sub.set_position(-20, 50);
    client.draw(&child, (30, 50), GREEN);
    fixture.show(&mut client, &window, (80, 80), RED);
    // 100x100 in all: in the middle of 300x200.
    assert_eq!(fixture.corner(&window), (100, 50));
    assert_eq!(fixture.pixel(100, 100), GREEN);
    assert_eq!(fixture.pixel(120, 50), RED);
    let child_at = fixture.server().surface_under((100.5, 100.0)).unwrap();
    assert_eq!(child_at.1, (0.5, 0.0));
    assert_eq!(fixture.server().surface_under((100.0, 60.0)), None);
}

#[test]
fn the_input_region_says_where_the_pointer_is_in_a_window() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let a = fixture.map(&mut client, "a", (300, 200), RED);
    let b = fixture.map(&mut client, "b", (100, 80), BLUE);
    let region = client.globals().compositor.create_region(&client.qh, ());
    region.add(0, 0, 10, 10);
    b.surface.set_input_region(Some(&region));
    b.surface.commit();
    fixture.roundtrip(&mut client);
    let corner = fixture.corner(&b);
    let (a, b) = (a.id(fixture.server()), b.id(fixture.server()));
    let at = |x: i32, y: i32| (f64::from(corner.0 + x), f64::from(corner.1 + y));
    assert_eq!(fixture.server().surface_under(at(9, 9)), Some((b, (9.0, 9.0))));
    assert_eq!(fixture.server().surface_under(at(10, 9)).unwrap().0, a);
    assert_eq!(fixture.server().surface_under((300.0, 0.0)), None);
}

#[test]
fn a_window_follows_the_pointer() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = fixture.map(&mut client, "a", (100, 80), RED);
    let serial = fixture.hold(&mut client, &window);
    // Only the press that is held will do.
    window.toplevel()._move(&client.globals().seat, serial + 1);
    fixture.roundtrip(&mut client);
    assert!(!fixture.server().shell_grab_active());
    window.toplevel()._move(&client.globals().seat, serial);
    fixture.roundtrip(&mut client);
    assert!(fixture.server().shell_grab_active());
    fixture.point(50.0, 110.0);
    assert_eq!(fixture.corner(&window), (50, 110));
    fixture.release();
    assert!(!fixture.server().shell_grab_active());
    window.toplevel()._move(&client.globals().seat, serial);
    fixture.roundtrip(&mut client);
    assert!(!fixture.server().shell_grab_active());
    assert!(client.log().is_empty());
}

#[test]
fn an_edge_follows_the_pointer_and_the_other_stays() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = client.window("a");
    window.toplevel().set_min_size(60, 50);
    fixture.show(&mut client, &window, (100, 80), RED);
    let serial = fixture.hold(&mut client, &window);
    window.toplevel().resize(&client.globals().seat, serial, ResizeEdge::Left);
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 100x80 [Resizing Activated]"]);
    client.ack(&window);
    fixture.roundtrip(&mut client);
    fixture.point(80.0, 7.0);
    // These two wait for the ack of the first; the last one counts.
    fixture.point(90.0, 7.0);
    fixture.point(1000.0, 7.0);
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 120x80 [Resizing Activated]"]);
    answer(&mut fixture, &mut client, &window, (120, 80), GREEN);
    assert_eq!(client.log(), ["a: 60x80 [Resizing Activated]"]);
    assert_eq!(fixture.corner(&window), (80, 60));
    fixture.release();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 60x80 [Activated]"]);
    // The right edge is still where it was.
    answer(&mut fixture, &mut client, &window, (60, 80), GREEN);
    assert_eq!(fixture.corner(&window), (140, 60));
}

#[test]
fn a_window_that_goes_ends_its_move() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = fixture.map(&mut client, "a", (100, 80), RED);
    let serial = fixture.hold(&mut client, &window);
    window.toplevel()._move(&client.globals().seat, serial);
    window.toplevel().destroy();
    fixture.roundtrip(&mut client);
    assert!(!fixture.server().shell_grab_active());
    fixture.point(5.0, 5.0);
    fixture.release();
}

#[test]
fn a_dialog_is_above_its_window() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = fixture.map(&mut client, "a", (200, 150), RED);
    let dialog = client.window("dialog");
    dialog.toplevel().set_parent(window.toplevel.as_ref());
    fixture.show(&mut client, &dialog, (50, 50), GREEN);
    let other = fixture.map(&mut client, "other", (300, 200), BLUE);
    assert_eq!(fixture.pixel(150, 100), BLUE);
    let id = window.id(fixture.server());
    fixture.server().shell_activate(Some(id));
    // The window came up, and its dialog with it.
    assert_eq!(fixture.pixel(60, 60), RED);
    assert_eq!(fixture.pixel(150, 100), GREEN);
    // A parent that is off the screen is none.
    window.surface.attach(None, 0, 0);
    window.surface.commit();
    fixture.roundtrip(&mut client);
    let id = dialog.id(fixture.server());
    assert_eq!(fixture.server().shell.window(id).unwrap().parent, None);
    // A window that gets a parent above it goes there.
    dialog.toplevel().set_parent(other.toplevel.as_ref());
    fixture.roundtrip(&mut client);
    assert_eq!(fixture.pixel(150, 100), GREEN);
}

#[test]
fn windows_fill_the_cells_of_a_grid() {
    let mut fixture = Fixture::with(|c| c.placement = Placement::Grid { columns: 2, rows: 1 });
    let mut client = fixture.connect();
    let a = fixture.map(&mut client, "a", (50, 40), RED);
    let b = fixture.map(&mut client, "b", (50, 40), GREEN);
    assert_eq!((fixture.corner(&a), fixture.corner(&b)), ((50, 80), (200, 80)));
    // A window that changes its size stays in the middle of its cell.
    client.draw(&b.surface, (100, 100), GREEN);
    fixture.roundtrip(&mut client);
    assert_eq!(fixture.corner(&b), (175, 50));
    a.toplevel().destroy();
    let c = fixture.map(&mut client, "c", (50, 40), BLUE);
    assert_eq!(fixture.corner(&c), (50, 80));
}

#[test]
fn later_windows_go_where_there_is_room() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let corners: Vec<_> = (0..3)
        .map(|_| {
            let window = fixture.map(&mut client, "a", (100, 100), RED);
            fixture.corner(&window)
        })
        .collect();
    assert_eq!(corners, [(100, 50), (0, 50), (200, 50)]);
}

#[test]
fn another_output_size_is_told_to_those_who_fill_it() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let floating = fixture.map(&mut client, "floating", (50, 40), RED);
    let full = fixture.map(&mut client, "full", (50, 40), GREEN);
    full.toplevel().set_fullscreen(None);
    fixture.roundtrip(&mut client);
    answer(&mut fixture, &mut client, &full, (300, 200), GREEN);
    client.log();
    let server = fixture.server();
    server.output.change(Size::new(120, 100), 1, 0);
    server.shell_output_changed();
    fixture.roundtrip(&mut client);
    let mut log = client.log();
    log.sort();
    let expected = [
        "floating: 0x0 []",
        "floating: bounds 120x100",
        "full: 120x100 [Fullscreen Activated]",
        "full: bounds 120x100",
    ];
    assert_eq!(log, expected);
    // What would be out of reach is moved back.
    assert_eq!(fixture.corner(&floating), (88, 68));
}

#[test]
fn a_client_that_does_not_react_is_pinged_once() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = fixture.map(&mut client, "a", (100, 80), RED);
    client.seen.mute = true;
    for _ in 0..3 {
        window.toplevel().set_maximized();
    }
    fixture.roundtrip(&mut client);
    assert_eq!(client.seen.pings.len(), 1);
    assert_eq!(fixture.server().shell.pings.len(), 1);
    // The wrong answer is none.
    client.globals().base.pong(client.seen.pings[0] + 1);
    fixture.roundtrip(&mut client);
    assert_eq!(fixture.server().shell.pings.len(), 1);
    client.globals().base.pong(client.seen.pings[0]);
    fixture.roundtrip(&mut client);
    assert!(fixture.server().shell.pings.is_empty());
}

#[test]
fn a_client_that_goes_is_not_pinged_any_more() {
    let mut fixture = Fixture::new();
    let mut stays = fixture.connect();
    let mut goes = fixture.connect();
    let first = fixture.map(&mut goes, "first", (100, 80), RED);
    fixture.map(&mut goes, "second", (100, 80), GREEN);
    // The second is told that it is not active, and does not answer; and again when the first is gone.
    fixture.click(&mut goes, &first);
    fixture.roundtrip(&mut goes);
    assert!(fixture.server().shell.pings.is_empty());
    drop((goes, first));
    fixture.roundtrip(&mut stays);
    assert!(fixture.server().shell.entries.is_empty());
    assert!(fixture.server().shell.pings.is_empty());
}

#[test]
fn a_client_that_goes_leaves_nothing() {
    let mut fixture = Fixture::new();
    let mut stays = fixture.connect();
    fixture.map(&mut stays, "stays", (50, 40), RED);
    let mut goes = fixture.connect();
    let window = fixture.map(&mut goes, "goes", (100, 80), GREEN);
    let positioner = goes.positioner((20, 20), (0, 0));
    let popup = goes.popup("popup", &window, &positioner);
    fixture.show(&mut goes, &popup, (20, 20), BLUE);
    fixture.roundtrip(&mut stays);
    stays.log();
    drop(goes);
    fixture.roundtrip(&mut stays);
    fixture.roundtrip(&mut stays);
    assert_eq!(stays.log(), ["stays: 0x0 [Activated]"]);
    assert_eq!(fixture.server().shell.entries.len(), 1);
    assert_eq!(fixture.server().surfaces.len(), 1);
}
