//! Drag and drop.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use selkie_compositor::InputEvent;
use wayland_client::protocol::wl_data_device_manager::DndAction;
use wayland_client::protocol::wl_data_source::WlDataSource;

use super::client::{Client, Window};
use super::fixture::{Fixture, LEFT};

/// Two clients with a window each, and the button pressed in the first one's.
struct Scene {
    fixture: Fixture,
    a: Client,
    b: Client,
    window: Window,
    other: Window,
}

fn scene_with(version: u32) -> Scene {
    let fixture = Fixture::new();
    let (mut a, mut b) = (Client::new(&fixture), Client::with_versions(&fixture, 11, version));
    let window = a.window("a");
    a.events();
    let other = b.window("b");
    b.events();
    fixture.point(50.0, 50.0);
    fixture.button(LEFT, true);
    a.events();
    b.events();
    Scene { fixture, a, b, window, other }
}

fn scene() -> Scene {
    scene_with(3)
}

impl Scene {
    /// Starts to drag text that can be copied, moved and asked about.
    fn drag(&mut self) -> WlDataSource {
        let source = self.a.source(&["text/plain"]);
        source.set_actions(DndAction::all());
        let serial = self.a.serial("press");
        self.a.device.start_drag(Some(&source), &self.window.surface, None, serial);
        assert_eq!(
            self.a.events(),
            ["offer", "mime text/plain", "source actions 7", "drag enter a 40,40 offer", "leave a", "frame"]
        );
        source
    }

    /// Goes on to the other window.
    fn enter_other(&mut self) {
        self.fixture.point(150.0, 50.0);
        assert_eq!(self.a.events(), ["drag leave"]);
        assert_eq!(
            self.b.events(),
            ["offer", "mime text/plain", "source actions 7", "drag enter b 40,40 offer"]
        );
    }
}

#[test]
fn a_drag_from_beginning_to_end() {
    let mut s = scene();
    let _source = s.drag();
    s.enter_other();
    s.fixture.point(151.0, 50.0);
    assert_eq!(s.b.events(), ["drag motion 41,40 at 5"]);
    let offer = s.b.offer();
    offer.accept(0, Some("text/plain".into()));
    offer.set_actions(DndAction::Copy | DndAction::Move, DndAction::Move);
    assert_eq!(s.b.events(), ["action 2"]);
    assert_eq!(s.a.events(), ["target text/plain", "agreed 2"]);
    s.fixture.button(LEFT, false);
    assert_eq!(s.b.events(), ["drop", "enter b 41,40", "frame"]);
    assert_eq!(s.a.events(), ["drop performed"]);
    let (read, write) = rustix::pipe::pipe().unwrap();
    offer.receive("text/plain".into(), write.as_fd());
    drop(write);
    s.b.events();
    assert_eq!(s.a.events(), ["send text/plain"]);
    File::from(s.a.state.sent.pop().unwrap()).write_all(b"dragged").unwrap();
    let mut text = String::new();
    File::from(read).read_to_string(&mut text).unwrap();
    assert_eq!(text, "dragged");
    offer.finish();
    offer.destroy();
    assert_eq!(s.b.events(), Vec::<String>::new());
    assert_eq!(s.a.events(), ["finished"]);
}

#[test]
fn modifiers_choose_the_action() {
    let mut s = scene();
    let _source = s.drag();
    s.enter_other();
    s.b.offer().accept(0, Some("text/plain".into()));
    s.b.offer().set_actions(DndAction::all(), DndAction::Ask);
    assert_eq!(s.b.events(), ["action 4"]);
    s.fixture.key(42, true);
    assert_eq!(s.b.events().last().unwrap(), "action 2");
    s.fixture.key(42, false);
    s.fixture.key(29, true);
    assert_eq!(s.b.events().last().unwrap(), "action 1");
    let mut agreed = s.a.events();
    agreed.retain(|e| e.starts_with("agreed"));
    assert_eq!(agreed, ["agreed 4", "agreed 2", "agreed 4", "agreed 1"]);
}

#[test]
fn the_user_is_asked_after_the_drop() {
    let mut s = scene();
    let _source = s.drag();
    s.enter_other();
    let offer = s.b.offer();
    offer.accept(0, Some("text/plain".into()));
    offer.set_actions(DndAction::all(), DndAction::Ask);
    s.b.events();
    assert_eq!(s.a.events(), ["target text/plain", "agreed 4"]);
    s.fixture.button(LEFT, false);
    assert_eq!(s.b.events()[0], "drop");
    offer.set_actions(DndAction::Copy | DndAction::Move, DndAction::Move);
    assert_eq!(s.b.events(), Vec::<String>::new());
    assert_eq!(s.a.events(), ["drop performed"]);
    offer.finish();
    s.b.events();
    assert_eq!(s.a.events(), ["agreed 2", "finished"]);
}

#[test]
fn what_is_not_accepted_is_not_dropped() {
    // Nothing said; no action; no mime type.
    for case in 0..3 {
        let mut s = scene();
        let _source = s.drag();
        s.enter_other();
        let offer = s.b.offer();
        if case == 1 {
            offer.accept(0, Some("text/plain".into()));
        }
        if case == 2 {
            offer.set_actions(DndAction::Copy, DndAction::Copy);
        }
        s.b.events();
        s.a.events();
        s.fixture.button(LEFT, false);
        assert_eq!(s.b.events(), ["drag leave", "enter b 40,40", "frame"]);
        let last = s.a.events();
        assert_eq!(last.last().unwrap(), "cancelled");
        assert!(!last.contains(&"drop performed".to_owned()));
    }
}

#[test]
fn leaving_takes_back_what_was_agreed() {
    let mut s = scene();
    let _source = s.drag();
    s.enter_other();
    s.b.offer().accept(0, Some("text/plain".into()));
    s.b.offer().set_actions(DndAction::Copy, DndAction::empty());
    s.b.events();
    assert_eq!(s.a.events(), ["target text/plain", "agreed 1"]);
    s.fixture.point(100.0, 5.0);
    assert_eq!(s.b.events(), ["drag leave"]);
    assert_eq!(s.a.events(), ["target none", "agreed 0"]);
    // The old offer says nothing any more.
    s.b.offer().accept(0, Some("text/plain".into()));
    s.b.events();
    assert_eq!(s.a.events(), Vec::<String>::new());
    s.fixture.button(LEFT, false);
    assert_eq!(s.a.events(), ["cancelled"]);
}

#[test]
fn an_offer_that_is_destroyed_after_the_drop_cancels() {
    let mut s = scene();
    let _source = s.drag();
    s.enter_other();
    let offer = s.b.offer();
    offer.accept(0, Some("text/plain".into()));
    offer.set_actions(DndAction::Copy, DndAction::Copy);
    s.b.events();
    s.fixture.button(LEFT, false);
    s.a.events();
    offer.destroy();
    s.b.events();
    assert_eq!(s.a.events(), ["cancelled"]);
}

#[test]
fn an_old_destination_copies_and_is_finished_when_it_lets_go() {
    let mut s = scene_with(2);
    let source = s.a.source(&["text/plain"]);
    source.set_actions(DndAction::Copy | DndAction::Move);
    s.a.device.start_drag(Some(&source), &s.window.surface, None, s.a.serial("press"));
    s.a.events();
    s.fixture.point(150.0, 50.0);
    assert_eq!(s.b.events(), ["offer", "mime text/plain", "drag enter b 40,40 offer"]);
    assert_eq!(s.a.events(), ["drag leave", "agreed 1"]);
    s.fixture.button(LEFT, false);
    assert_eq!(s.b.events()[0], "drop");
    assert_eq!(s.a.events(), ["drop performed"]);
    s.b.offer().destroy();
    s.b.events();
    assert_eq!(s.a.events(), ["finished"]);
}

#[test]
fn without_a_source_only_its_own_client_is_told() {
    let mut s = scene();
    s.a.device.start_drag(None, &s.window.surface, None, s.a.serial("press"));
    assert_eq!(s.a.events(), ["drag enter a 40,40 nothing", "leave a", "frame"]);
    s.fixture.point(150.0, 50.0);
    assert_eq!((s.a.events(), s.b.events()), (vec!["drag leave".to_owned()], vec![]));
    s.fixture.point(60.0, 50.0);
    assert_eq!(s.a.events(), ["drag enter a 50,40 nothing"]);
    s.fixture.button(LEFT, false);
    assert_eq!(s.a.events(), ["drop", "enter a 50,40", "frame"]);
}

#[test]
fn a_drag_ends_with_its_source_or_with_the_pointer() {
    let mut s = scene();
    let source = s.drag();
    s.enter_other();
    source.destroy();
    assert_eq!(s.a.events(), Vec::<String>::new());
    assert_eq!(s.b.events(), ["drag leave"]);
    s.fixture.button(LEFT, false);
    assert_eq!(s.b.events(), ["enter b 40,40", "frame"]);

    let mut s = scene();
    let _source = s.drag();
    s.enter_other();
    s.fixture.input(InputEvent::PointerLeave);
    assert_eq!(s.b.events(), ["drag leave"]);
    assert_eq!(s.a.events(), ["cancelled"]);
}

#[test]
fn a_target_that_goes_away_is_left() {
    let mut s = scene();
    let _source = s.drag();
    s.enter_other();
    s.b.offer().accept(0, Some("text/plain".into()));
    s.b.events();
    s.a.events();
    drop((s.b, s.other));
    assert_eq!(s.a.events(), ["target none"]);
    s.fixture.button(LEFT, false);
    assert_eq!(s.a.events(), ["cancelled"]);
}

#[test]
fn a_drag_needs_a_press_that_holds() {
    let mut s = scene();
    let source = s.a.source(&["text/plain"]);
    s.a.device.start_drag(Some(&source), &s.window.surface, None, s.a.serial("enter"));
    assert_eq!(s.a.events(), ["cancelled"]);
    s.fixture.button(LEFT, false);
    s.a.events();
    let source = s.a.source(&["text/plain"]);
    s.a.device.start_drag(Some(&source), &s.window.surface, None, s.a.serial("press"));
    assert_eq!(s.a.events(), ["cancelled"]);
}

#[test]
fn an_icon_needs_a_surface_of_its_own() {
    let mut s = scene();
    s.a.device.start_drag(None, &s.window.surface, Some(&s.window.surface), s.a.serial("press"));
    let (interface, code, _) = s.a.error();
    assert_eq!((interface.as_str(), code), ("wl_data_device", 0));
}

#[test]
fn a_source_is_dragged_once() {
    let mut s = scene();
    let source = s.drag();
    s.a.device.start_drag(Some(&source), &s.window.surface, None, s.a.serial("press"));
    let (interface, code, _) = s.a.error();
    assert_eq!((interface.as_str(), code), ("wl_data_device", 1));
}

#[test]
fn actions_are_set_once_before_the_drag_and_must_be_known() {
    let bad = |case: u32| {
        let mut s = scene();
        let source = s.a.source(&["text/plain"]);
        match case {
            0 => source.set_actions(DndAction::from_bits_retain(8)),
            1 => {
                source.set_actions(DndAction::Copy);
                source.set_actions(DndAction::Copy);
            }
            _ => {
                s.a.device.start_drag(Some(&source), &s.window.surface, None, s.a.serial("press"));
                source.set_actions(DndAction::Copy);
            }
        }
        s.a.error()
    };
    for (case, code) in [(0, 0), (1, 0), (2, 1)] {
        let (interface, got, _) = bad(case);
        assert_eq!((interface.as_str(), got), ("wl_data_source", code), "case {case}");
    }
}

#[test]
fn a_destinations_mistakes_are_errors() {
    use DndAction as A;
    type Mistake = fn(&wayland_client::protocol::wl_data_offer::WlDataOffer);
    let before_drop: [(Mistake, u32); 5] = [
        (|o| o.set_actions(A::from_bits_retain(8), A::empty()), 1),
        (|o| o.set_actions(A::all(), A::Copy | A::Move), 2),
        (|o| o.set_actions(A::Copy, A::Move), 2),
        (|o| o.set_actions(A::Copy, A::from_bits_retain(8)), 2),
        (|o| o.finish(), 0),
    ];
    for (at, (mistake, code)) in before_drop.into_iter().enumerate() {
        let mut s = scene();
        let _source = s.drag();
        s.enter_other();
        mistake(&s.b.offer());
        let (interface, got, _) = s.b.error();
        assert_eq!((interface.as_str(), got), ("wl_data_offer", code), "mistake {at}");
    }
    let after_drop: [(Mistake, u32); 6] = [
        (|o| (o.accept(0, None), o.finish()).1, 0),
        (|o| (o.finish(), o.finish()).1, 0),
        (|o| (o.finish(), o.accept(0, None)).1, 3),
        (|o| (o.finish(), o.set_actions(A::Copy, A::Copy)).1, 3),
        (|o| (o.finish(), o.receive("text/plain".into(), rustix::pipe::pipe().unwrap().1.as_fd())).1, 3),
        // The user is still being asked.
        (|o| o.finish(), 0),
    ];
    for (at, (mistake, code)) in after_drop.into_iter().enumerate() {
        let mut s = scene();
        let _source = s.drag();
        s.enter_other();
        let offer = s.b.offer();
        offer.accept(0, Some("text/plain".into()));
        offer.set_actions(A::all(), if at == 5 { A::Ask } else { A::Copy });
        s.b.events();
        s.fixture.button(LEFT, false);
        s.b.events();
        mistake(&offer);
        let (interface, got, _) = s.b.error();
        assert_eq!((interface.as_str(), got), ("wl_data_offer", code), "mistake {at} after the drop");
    }
}
