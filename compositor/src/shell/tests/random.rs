//! Requests in any order: nothing panics, and the shell's lists always agree with each other.

use proptest::prelude::*;
use selkie_protocols::upstream::xdg::shell::client::xdg_positioner::ConstraintAdjustment;

use crate::config::Placement;
use crate::geometry::Size;
use crate::shell::{Part, Shell, Sides};
use crate::testing::{Client, Fixture, Window};

/// Windows and popups that a client has at most.
const SLOTS: usize = 5;
const NAMES: [&str; SLOTS] = ["a", "b", "c", "d", "e"];

#[derive(Debug, Clone)]
enum Op {
    Window,
    Popup { parent: usize, at: (i32, i32) },
    Destroy,
    Commit,
    Ack,
    Draw(i32, i32),
    Unmap,
    Geometry(i32, i32, i32, i32),
    Maximize(bool),
    Fullscreen(bool),
    Limits(i32, i32),
    Parent(Option<usize>),
    Reposition(i32, i32),
    Grabs,
    Roundtrip,
    Activate(bool),
    Press(bool),
    Move,
    Resize(i8, i8),
    Motion(f64, f64),
    End,
    Output(i32, i32),
}

fn number() -> impl Strategy<Value = i32> {
    prop_oneof![4 => -50..350, 1 => Just(i32::MAX), 1 => Just(i32::MIN), 1 => Just(0)]
}

fn op() -> impl Strategy<Value = Op> {
    use Op::*;
    prop_oneof![
        4 => Just(Window),
        4 => (0..SLOTS, (number(), number())).prop_map(|(parent, at)| Popup { parent, at }),
        1 => Just(Destroy),
        6 => Just(Commit),
        6 => Just(Ack),
        6 => (1..200, 1..200).prop_map(|(w, h)| Draw(w, h)),
        1 => Just(Unmap),
        1 => (number(), number(), 1..i32::MAX, 1..i32::MAX).prop_map(|(x, y, w, h)| Geometry(x, y, w, h)),
        1 => any::<bool>().prop_map(Maximize),
        1 => any::<bool>().prop_map(Fullscreen),
        1 => (0..100, 100..i32::MAX).prop_map(|(min, max)| Limits(min, max)),
        1 => prop::option::of(0..SLOTS).prop_map(Parent),
        1 => (number(), number()).prop_map(|(x, y)| Reposition(x, y)),
        2 => Just(Grabs),
        8 => Just(Roundtrip),
        1 => any::<bool>().prop_map(Activate),
        1 => any::<bool>().prop_map(Press),
        1 => Just(Move),
        1 => (-1..=1_i8, -1..=1_i8).prop_map(|(x, y)| Resize(x, y)),
        2 => (number(), number()).prop_map(|(x, y)| Motion(x.into(), y.into())),
        1 => Just(End),
        1 => (1..400, 1..400).prop_map(|(w, h)| Output(w, h)),
    ]
}

fn apply(fixture: &mut Fixture, client: &mut Client, slots: &mut [Option<Window>], slot: usize, op: &Op) {
    match op {
        Op::Roundtrip => fixture.roundtrip(client),
        Op::Motion(x, y) => fixture.point(*x, *y),
        Op::End => fixture.release(),
        Op::Output(w, h) => {
            fixture.server().output.change(Size::new(*w, *h), 1, 0);
            fixture.server().shell_output_changed();
        }
        Op::Window => {
            slots[slot].get_or_insert_with(|| client.window(NAMES[slot]));
        }
        Op::Popup { parent, at } if slots[slot].is_none() => {
            let Some(parent) = &slots[*parent] else { return };
            let positioner = client.positioner((30, 30), *at);
            positioner.set_constraint_adjustment(ConstraintAdjustment::all());
            positioner.set_reactive();
            slots[slot] = Some(client.popup(NAMES[slot], parent, &positioner));
        }
        _ => {}
    }
    let Some(window) = &slots[slot] else { return };
    let (surface, toplevel) = (&window.surface, window.toplevel.as_ref());
    match op {
        Op::Destroy => {
            toplevel.inspect(|t| t.destroy());
            window.popup.as_ref().inspect(|p| p.destroy());
            window.xdg.destroy();
            surface.destroy();
            slots[slot] = None;
        }
        Op::Commit => surface.commit(),
        Op::Ack if client.has_serial(window) => client.ack(window),
        Op::Draw(w, h) => client.draw(surface, (*w, *h), 0xff),
        Op::Unmap => {
            surface.attach(None, 0, 0);
            surface.commit();
        }
        Op::Geometry(x, y, w, h) => window.xdg.set_window_geometry(*x, *y, *w, *h),
        Op::Maximize(on) => {
            toplevel.inspect(|t| if *on { t.set_maximized() } else { t.unset_maximized() });
        }
        Op::Fullscreen(on) => {
            toplevel.inspect(|t| if *on { t.set_fullscreen(None) } else { t.unset_fullscreen() });
        }
        Op::Limits(min, max) => {
            toplevel.inspect(|t| {
                t.set_min_size(*min, *min);
                t.set_max_size(*max, *max);
            });
        }
        Op::Parent(parent) => {
            let parent = parent.and_then(|p| slots[p].as_ref()?.toplevel.as_ref());
            toplevel.inspect(|t| t.set_parent(parent));
        }
        Op::Reposition(x, y) => {
            window.popup.as_ref().inspect(|p| p.reposition(&client.positioner((20, 20), (*x, *y)), 1));
        }
        Op::Grabs | Op::Activate(_) | Op::Press(_) | Op::Move | Op::Resize(..) => {
            fixture.roundtrip(client);
            if client.error().is_some() {
                return;
            }
            let id = window.id(fixture.server());
            let server = fixture.server();
            match op {
                Op::Grabs => {
                    let mapped = server.shell.is_mapped(id);
                    server.shell.popup_mut(id).filter(|_| !mapped).into_iter().for_each(|p| p.grabs = true);
                }
                Op::Activate(on) => server.shell_activate(on.then_some(id)),
                Op::Press(false) => server.shell_button_pressed_on(None),
                Op::Press(true) => fixture.press(),
                Op::Move => server.begin_move(id),
                Op::Resize(x, y) => server.begin_resize(id, Sides { x: *x, y: *y }),
                _ => {}
            }
        }
        _ => {}
    }
}

/// What has to hold at any time.
fn agree(shell: &Shell) {
    let mapped = |window: bool| {
        let mut ids: Vec<_> = shell.entries.iter().filter(|(_, e)| e.mapped).collect();
        ids.retain(|(_, e)| matches!(e.part, Part::Window(_)) == window);
        let mut ids: Vec<_> = ids.into_iter().map(|(id, _)| *id).collect();
        ids.sort();
        ids
    };
    let mut stack = shell.stack.clone();
    stack.sort();
    assert_eq!(stack, mapped(true));
    let mut popups: Vec<_> = stack.iter().flat_map(|w| shell.window(*w).unwrap().popups.clone()).collect();
    popups.sort();
    assert_eq!(popups, mapped(false));
    assert!(shell.popup_grabs.iter().all(|p| popups.contains(p)));
    // Each grabbing popup is the child of the one below.
    for pair in shell.popup_grabs.windows(2) {
        assert_eq!(shell.popup(pair[1]).unwrap().parent, Some(pair[0]));
    }
    assert!(shell.active.is_none_or(|a| stack.contains(&a)));
    // Dialogs are above their windows.
    for (i, id) in shell.stack.iter().enumerate() {
        let parent = shell.window(*id).unwrap().parent;
        assert!(parent.is_none_or(|p| shell.stack[..i].contains(&p)), "{:?}", shell.stack);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_nothing_is_left(
        ops in prop::collection::vec((0..2_usize, 0..SLOTS, op()), 1..80),
        grid in any::<bool>(),
    ) {
        let mut fixture = Fixture::with(|c| {
            if grid {
                c.placement = Placement::Grid { columns: 2, rows: 2 };
            }
        });
        let mut clients = [fixture.connect(), fixture.connect()];
        let mut slots = [const { [const { None }; SLOTS] }; 2];
        for (who, slot, op) in &ops {
            let client = &mut clients[*who];
            if client.error().is_none() {
                apply(&mut fixture, client, &mut slots[*who], *slot, op);
            }
            agree(&fixture.server().shell);
        }
        for client in &mut clients {
            fixture.roundtrip(client);
        }
        agree(&fixture.server().shell);
        drop((clients, slots));
        let mut last = fixture.connect();
        fixture.roundtrip(&mut last);
        let server = fixture.server();
        assert!(server.shell.entries.is_empty() && server.shell.stack.is_empty());
        assert!(server.shell.popup_grabs.is_empty() && server.shell.pings.is_empty());
        assert!(server.shell.active.is_none() && server.shell.grab.is_none());
        assert_eq!(server.surfaces.len(), 0);
    }
}
