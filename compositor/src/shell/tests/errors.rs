//! Every mistake that xdg-shell.xml names, with the error that it ends the client with.

use selkie_protocols::upstream::xdg::shell::client::xdg_toplevel::XdgToplevel;
use wayland_client::Proxy;

use crate::testing::{Client, Fixture, Window};

const SIZE: (i32, i32) = (40, 30);

/// What a client that does `mistake` is ended with. It has a window that shows.
fn ended(mistake: impl FnOnce(&mut Fixture, &mut Client, &Window)) -> (String, u32) {
    let mut fixture = Fixture::new();
    let mut other = fixture.connect();
    fixture.map(&mut other, "other", SIZE, 0);
    let mut client = fixture.connect();
    let window = fixture.map(&mut client, "a", SIZE, 0);
    mistake(&mut fixture, &mut client, &window);
    let error = fixture.error(&mut client);
    // Nobody else is touched, and nothing of the client is left.
    fixture.roundtrip(&mut other);
    fixture.roundtrip(&mut other);
    assert_eq!(other.error(), None);
    let server = fixture.server();
    assert_eq!((server.shell.entries.len(), server.shell.stack.len()), (1, 1));
    assert!(server.shell.popup_grabs.is_empty() && server.shell.pings.is_empty());
    error
}

fn base(code: u32) -> (String, u32) {
    ("xdg_wm_base".into(), code)
}

fn xdg(code: u32) -> (String, u32) {
    ("xdg_surface".into(), code)
}

#[test]
fn role() {
    let get = |client: &Client, surface: &_| client.globals().base.get_xdg_surface(surface, &client.qh, "b");
    // A subsurface.
    let error = ended(|_, client, window| {
        let surface = client.surface();
        client.globals().subcompositor.get_subsurface(&surface, &window.surface, &client.qh, ());
        get(client, &surface);
    });
    assert_eq!(error, base(0));
    // A second xdg_surface.
    assert_eq!(ended(|_, client, window| drop(get(client, &window.surface))), base(0));
    // A popup of what was a window.
    let error = ended(|_, client, window| {
        let was = client.window("b");
        was.toplevel().destroy();
        was.xdg.destroy();
        let positioner = client.positioner(SIZE, (0, 0));
        get(client, &was.surface).get_popup(Some(&window.xdg), &positioner, &client.qh, "b");
    });
    assert_eq!(error, base(0));
    // A subsurface of what has an xdg_surface.
    let error = ended(|_, client, window| {
        let surface = client.surface();
        get(client, &surface);
        client.globals().subcompositor.get_subsurface(&surface, &window.surface, &client.qh, ());
    });
    assert_eq!(error, ("wl_subcompositor".into(), 0));
}

#[test]
fn defunct_surfaces() {
    assert_eq!(ended(|_, client, _| client.globals().base.destroy()), base(1));
}

#[test]
fn not_the_topmost_popup() {
    let nested = |fixture: &mut Fixture, client: &mut Client, window: &Window| {
        let positioner = client.positioner(SIZE, (0, 0));
        let below = client.popup("below", window, &positioner);
        fixture.show(client, &below, SIZE, 0);
        let above = client.popup("above", &below, &positioner);
        fixture.show(client, &above, SIZE, 0);
        below
    };
    let error = ended(|fixture, client, window| nested(fixture, client, window).popup().destroy());
    assert_eq!(error, base(2));
}

#[test]
fn invalid_popup_parent() {
    let error = ended(|_, client, _| {
        let positioner = client.positioner(SIZE, (0, 0));
        let surface = client.surface();
        let xdg = client.globals().base.get_xdg_surface(&surface, &client.qh, "b");
        xdg.get_popup(None, &positioner, &client.qh, "b");
        surface.commit();
    });
    assert_eq!(error, base(3));
    // One that is neither window nor popup.
    let error = ended(|_, client, window| {
        let nothing = client.globals().base.get_xdg_surface(&client.surface(), &client.qh, "b");
        let mut parent = window.clone();
        parent.xdg = nothing;
        client.popup("c", &parent, &client.positioner(SIZE, (0, 0)));
    });
    assert_eq!(error, base(3));
}

#[test]
fn invalid_surface_state() {
    let get = |client: &Client, surface: &_| {
        client.globals().base.get_xdg_surface(surface, &client.qh, "b");
    };
    let error = ended(|_, client, _| {
        let surface = client.surface();
        surface.attach(Some(&client.buffer(SIZE, 0)), 0, 0);
        get(client, &surface);
    });
    assert_eq!(error, base(4));
    let error = ended(|_, client, _| {
        let surface = client.surface();
        client.draw(&surface, SIZE, 0);
        get(client, &surface);
    });
    assert_eq!(error, base(4));
}

#[test]
fn invalid_positioner() {
    let incomplete = |client: &Client| client.globals().base.create_positioner(&client.qh, ());
    let error = ended(|_, client, window| drop(client.popup("b", window, &incomplete(client))));
    assert_eq!(error, base(5));
    let error = ended(|_, client, window| {
        let positioner = incomplete(client);
        positioner.set_size(1, 1);
        client.popup("b", window, &positioner);
    });
    assert_eq!(error, base(5));
    let error = ended(|fixture, client, window| {
        let popup = client.popup("b", window, &client.positioner(SIZE, (0, 0)));
        fixture.show(client, &popup, SIZE, 0);
        popup.popup().reposition(&incomplete(client), 1);
    });
    assert_eq!(error, base(5));
}

#[test]
fn invalid_input() {
    use selkie_protocols::upstream::xdg::shell::client::xdg_positioner::XdgPositioner;
    let wrong = |f: fn(&XdgPositioner)| ended(|_, client, _| f(&client.positioner(SIZE, (0, 0))));
    let expected = ("xdg_positioner".to_owned(), 0);
    assert_eq!(wrong(|p| p.set_size(0, 1)), expected);
    assert_eq!(wrong(|p| p.set_size(1, -1)), expected);
    assert_eq!(wrong(|p| p.set_anchor_rect(0, 0, -1, 1)), expected);
    assert_eq!(wrong(|p| p.set_anchor_rect(0, 0, 1, i32::MIN)), expected);
}

#[test]
fn not_constructed() {
    let bare = |client: &Client| {
        let surface = client.surface();
        (client.globals().base.get_xdg_surface(&surface, &client.qh, "b"), surface)
    };
    assert_eq!(ended(|_, client, _| bare(client).1.commit()), xdg(1));
    assert_eq!(ended(|_, client, _| bare(client).0.ack_configure(1)), xdg(1));
    assert_eq!(ended(|_, client, _| bare(client).0.set_window_geometry(0, 0, 1, 1)), xdg(1));
}

#[test]
fn already_constructed() {
    let again = |_: &mut Fixture, client: &mut Client, window: &Window| {
        window.xdg.get_toplevel(&client.qh, "b");
    };
    assert_eq!(ended(again), xdg(2));
    let popup = |_: &mut Fixture, client: &mut Client, window: &Window| {
        let positioner = client.positioner(SIZE, (0, 0));
        window.xdg.get_popup(None, &positioner, &client.qh, "b");
    };
    assert_eq!(ended(popup), xdg(2));
}

#[test]
fn unconfigured_buffer() {
    // Before the first commit.
    let error = ended(|_, client, _| client.draw(&client.window("b").surface, SIZE, 0));
    assert_eq!(error, xdg(3));
    // Configured, but without an ack.
    let error = ended(|fixture, client, _| {
        let window = client.window("b");
        window.surface.commit();
        fixture.roundtrip(client);
        client.draw(&window.surface, SIZE, 0);
    });
    assert_eq!(error, xdg(3));
    // After it was unmapped.
    let error = ended(|fixture, client, window| {
        window.surface.attach(None, 0, 0);
        window.surface.commit();
        fixture.roundtrip(client);
        client.draw(&window.surface, SIZE, 0);
    });
    assert_eq!(error, xdg(3));
}

#[test]
fn invalid_serial() {
    assert_eq!(ended(|_, _, window| window.xdg.ack_configure(12345)), xdg(4));
    // Twice the same.
    let error = ended(|_, client, window| {
        client.ack(window);
        client.ack(window);
    });
    assert_eq!(error, xdg(4));
    // One that a later ack has used up.
    let error = ended(|fixture, client, window| {
        let old = client.serial(window);
        window.toplevel().set_maximized();
        fixture.roundtrip(client);
        client.ack(window);
        window.xdg.ack_configure(old);
    });
    assert_eq!(error, xdg(4));
    // Another surface's.
    let error = ended(|fixture, client, window| {
        let other = fixture.map(client, "b", SIZE, 0);
        window.xdg.ack_configure(client.serial(&other));
    });
    assert_eq!(error, xdg(4));
}

#[test]
fn invalid_size() {
    assert_eq!(ended(|_, _, window| window.xdg.set_window_geometry(0, 0, 0, 1)), xdg(5));
    assert_eq!(ended(|_, _, window| window.xdg.set_window_geometry(0, 0, 1, -1)), xdg(5));
    let wrong = |f: fn(&XdgToplevel)| {
        ended(|_, _, window| {
            f(window.toplevel());
            window.surface.commit();
        })
    };
    let expected = ("xdg_toplevel".to_owned(), 2);
    assert_eq!(wrong(|t| t.set_min_size(-1, 0)), expected);
    assert_eq!(wrong(|t| t.set_max_size(0, i32::MIN)), expected);
    let inverted = |t: &XdgToplevel| {
        t.set_max_size(10, 0);
        t.set_min_size(11, 0);
    };
    assert_eq!(wrong(inverted), expected);
}

#[test]
fn defunct_role_object() {
    assert_eq!(ended(|_, _, window| window.xdg.destroy()), xdg(6));
    assert_eq!(ended(|_, _, window| window.surface.destroy()), ("wl_surface".into(), 4));
}

#[test]
fn invalid_parent() {
    let expected = ("xdg_toplevel".to_owned(), 1);
    let itself = ended(|_, _, window| window.toplevel().set_parent(window.toplevel.as_ref()));
    assert_eq!(itself, expected);
    let circle = ended(|fixture, client, window| {
        let b = fixture.map(client, "b", SIZE, 0);
        let c = fixture.map(client, "c", SIZE, 0);
        b.toplevel().set_parent(window.toplevel.as_ref());
        c.toplevel().set_parent(b.toplevel.as_ref());
        window.toplevel().set_parent(c.toplevel.as_ref());
    });
    assert_eq!(circle, expected);
}

#[test]
fn invalid_grab() {
    let expected = ("xdg_popup".to_owned(), 0);
    let late = ended(|fixture, client, window| {
        let popup = client.popup("b", window, &client.positioner(SIZE, (0, 0)));
        fixture.show(client, &popup, SIZE, 0);
        popup.popup().grab(&client.globals().seat, 1);
    });
    assert_eq!(late, expected);
    let parent_without = ended(|fixture, client, window| {
        let positioner = client.positioner(SIZE, (0, 0));
        let popup = client.popup("b", window, &positioner);
        fixture.show(client, &popup, SIZE, 0);
        client.popup("c", &popup, &positioner).popup().grab(&client.globals().seat, 1);
    });
    assert_eq!(parent_without, expected);
}

#[test]
fn too_deep() {
    let error = ended(|fixture, client, window| {
        let positioner = client.positioner(SIZE, (0, 0));
        let mut parent = window.clone();
        for _ in 0..super::super::MAX_DEPTH {
            parent = client.popup("b", &parent, &positioner);
        }
        fixture.roundtrip(client);
        assert_eq!(client.error(), None);
        client.popup("c", &parent, &positioner);
    });
    assert_eq!(error, ("wl_display".into(), 2));
}

#[test]
fn an_xdg_surface_without_a_surface_does_nothing() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let surface = client.surface();
    let xdg = client.globals().base.get_xdg_surface(&surface, &client.qh, "b");
    surface.destroy();
    xdg.get_toplevel(&client.qh, "b").set_maximized();
    xdg.ack_configure(1);
    fixture.roundtrip(&mut client);
    assert_eq!(client.error(), None);
    assert!(xdg.is_alive());
    assert!(fixture.server().shell.entries.is_empty());
}

#[test]
fn invalid_resize_edge() {
    use selkie_protocols::upstream::xdg::shell::client::xdg_toplevel::Request;
    use wayland_client::WEnum;
    for edge in [3, 7, 11, u32::MAX] {
        let error = ended(|_, client, window| {
            let edges = WEnum::Unknown(edge);
            let request = Request::Resize { seat: client.globals().seat.clone(), serial: 0, edges };
            window.toplevel().send_request(request).unwrap();
        });
        assert_eq!(error, ("xdg_toplevel".into(), 0), "{edge}");
    }
}
