//! `wl_pointer.set_cursor`.

use super::client::Client;
use super::fixture::Fixture;

#[test]
fn a_surface_with_another_role_is_no_cursor() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    let window = client.window("a");
    client.pointer.set_cursor(0, Some(&window.surface), 0, 0);
    let (interface, code, _) = client.error();
    assert_eq!((interface.as_str(), code), ("wl_pointer", 0));
}

#[test]
fn a_cursor_is_no_window() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    let surface = client.surface("cursor");
    client.pointer.set_cursor(0, Some(&surface), 0, 0);
    client.shell.get_xdg_surface(&surface, &client.handle(), ()).get_toplevel(&client.handle(), ());
    let (interface, code, _) = client.error();
    assert_eq!((interface.as_str(), code), ("xdg_wm_base", 0));
}
