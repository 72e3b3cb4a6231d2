//! Requests and input in any order: nothing panics, and nothing is left of a client that is gone.

use std::os::fd::AsFd;

use proptest::prelude::*;
use wayland_client::Proxy;
use wayland_client::protocol::wl_data_device_manager::DndAction;
use wayland_client::protocol::wl_data_offer::WlDataOffer;
use wayland_client::protocol::wl_data_source::WlDataSource;
use wayland_client::protocol::wl_surface::WlSurface;

use super::Hands;
use crate::config::Placement;
use crate::seat::{Axis, InputEvent};
use crate::testing::{Client, Fixture, Window};

#[derive(Debug, Clone)]
enum Op {
    Input(InputEvent),
    Map,
    Unmap,
    Popup(u8),
    Cursor(u8, bool),
    DrawIcon,
    DestroyIcon,
    Source,
    DestroySource,
    Actions(u32),
    Copy(u8, bool),
    Drag { serial: u8, source: bool, icon: bool },
    Accept(bool),
    OfferActions(u32, u32),
    Receive,
    Finish,
    DestroyOffer,
    Another,
    Release,
    Move(u8),
    Roundtrip,
}

fn input() -> impl Strategy<Value = InputEvent> {
    let place = prop_oneof![8 => -20.0..320.0, 1 => Just(f64::MAX), 1 => Just(f64::NAN)];
    let button = prop_oneof![Just(0x110_u32), Just(0x111)];
    let key = prop_oneof![Just(42_u32), Just(56), Just(30), Just(u32::MAX)];
    let axis = || {
        (any::<f64>(), any::<i32>(), any::<bool>()).prop_map(|(value, value120, stop)| Axis {
            value,
            value120,
            stop,
            inverted: stop,
        })
    };
    prop_oneof![
        8 => (place.clone(), place).prop_map(|(x, y)| InputEvent::PointerMotion { x, y, time_us: u64::MAX }),
        8 => (button, any::<bool>()).prop_map(|(button, pressed)| {
            InputEvent::PointerButton { button, pressed, time_us: 0 }
        }),
        2 => (axis(), axis()).prop_map(|(horizontal, vertical)| {
            InputEvent::PointerAxis { source: None, horizontal, vertical, time_us: 0 }
        }),
        4 => Just(InputEvent::PointerFrame),
        1 => Just(InputEvent::PointerLeave),
        4 => (key, any::<bool>()).prop_map(|(key, pressed)| InputEvent::Key { key, pressed, time_us: 0 }),
        1 => any::<[u32; 4]>().prop_map(|[depressed, latched, locked, group]| {
            InputEvent::Modifiers { depressed, latched, locked, group }
        }),
        1 => prop::collection::vec(any::<u32>(), 0..4).prop_map(InputEvent::KeyboardEnter),
        1 => Just(InputEvent::KeyboardLeave),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        16 => input().prop_map(Op::Input),
        4 => Just(Op::Map),
        1 => Just(Op::Unmap),
        1 => any::<u8>().prop_map(Op::Popup),
        2 => any::<(u8, bool)>().prop_map(|(serial, none)| Op::Cursor(serial, none)),
        2 => Just(Op::DrawIcon),
        1 => Just(Op::DestroyIcon),
        2 => Just(Op::Source),
        1 => Just(Op::DestroySource),
        1 => (0..9_u32).prop_map(Op::Actions),
        2 => any::<(u8, bool)>().prop_map(|(serial, none)| Op::Copy(serial, none)),
        4 => any::<(u8, bool, bool)>().prop_map(|(serial, source, icon)| Op::Drag { serial, source, icon }),
        4 => any::<bool>().prop_map(Op::Accept),
        4 => (0..9_u32, 0..9_u32).prop_map(|(all, one)| Op::OfferActions(all, one)),
        2 => Just(Op::Receive),
        1 => Just(Op::Finish),
        1 => Just(Op::DestroyOffer),
        1 => Just(Op::Another),
        1 => Just(Op::Release),
        1 => any::<u8>().prop_map(Op::Move),
        8 => Just(Op::Roundtrip),
    ]
}

/// A client and what it has.
struct Actor {
    client: Client,
    hands: Hands,
    window: Option<Window>,
    source: Option<WlDataSource>,
    icon: Option<WlSurface>,
}

impl Actor {
    fn new(fixture: &mut Fixture) -> Self {
        let client = fixture.connect();
        let hands = Hands::new(&client);
        Self { client, hands, window: None, source: None, icon: None }
    }

    /// Some serial that it may have heard.
    fn serial(&self, which: u8) -> u32 {
        use std::sync::atomic::Ordering::Relaxed;
        let heard = &self.hands.heard;
        match which % 4 {
            0 => heard.enter.load(Relaxed),
            1 => heard.keyboard.load(Relaxed),
            2 => u32::from(which),
            _ => heard.press.load(Relaxed),
        }
    }

    fn offer(&self) -> Option<WlDataOffer> {
        self.hands.heard.offers.lock().unwrap().last().filter(|o| o.is_alive()).cloned()
    }

    fn surface(&mut self) -> WlSurface {
        let client = &self.client;
        self.icon.get_or_insert_with(|| client.surface()).clone()
    }

    fn act(&mut self, fixture: &mut Fixture, op: &Op) {
        let qh = self.client.qh.clone();
        match op.clone() {
            Op::Input(event) => fixture.server().input(event),
            Op::Map => {
                // What was asked for before may be its end.
                fixture.roundtrip(&mut self.client);
                if self.window.is_none() && self.client.error().is_none() {
                    self.window = Some(fixture.map(&mut self.client, "window", (80, 80), 0xffff_ffff));
                }
            }
            Op::Unmap => {
                if let Some(window) = self.window.take() {
                    window.toplevel().destroy();
                    window.xdg.destroy();
                    window.surface.destroy();
                }
            }
            Op::Popup(serial) => {
                if let Some(window) = &self.window {
                    let positioner = self.client.positioner((20, 20), (10, 10));
                    let popup = self.client.popup("popup", window, &positioner);
                    popup.popup().grab(&self.client.globals().seat, self.serial(serial));
                    popup.surface.commit();
                    fixture.roundtrip(&mut self.client);
                    if self.client.error().is_none() && self.client.has_serial(&popup) {
                        fixture.show(&mut self.client, &popup, (20, 20), 0xffff_ffff);
                    }
                }
            }
            Op::Cursor(serial, none) => {
                let surface = (!none).then(|| self.surface());
                self.hands.pointer.set_cursor(self.serial(serial), surface.as_ref(), i32::MAX, i32::MIN);
            }
            Op::DrawIcon => {
                let surface = self.surface();
                surface.offset(i32::MIN, i32::MAX);
                self.client.draw(&surface, (5, 5), 0xffff_ffff);
            }
            Op::DestroyIcon => {
                if let Some(icon) = self.icon.take() {
                    icon.destroy();
                }
            }
            Op::Source => {
                let source = self.hands.manager.create_data_source(&qh, ());
                source.offer("text/plain".into());
                self.source = Some(source);
            }
            Op::DestroySource => {
                if let Some(source) = self.source.take() {
                    source.destroy();
                }
            }
            Op::Actions(bits) => {
                if let Some(source) = &self.source {
                    source.set_actions(DndAction::from_bits_retain(bits));
                }
            }
            Op::Copy(serial, none) => {
                let source = self.source.as_ref().filter(|_| !none);
                self.hands.device.set_selection(source, self.serial(serial));
            }
            Op::Drag { serial, source, icon } => {
                let Some(origin) = self.window.as_ref().map(|w| w.surface.clone()) else { return };
                let icon = icon.then(|| self.surface());
                let source = self.source.as_ref().filter(|_| source);
                self.hands.device.start_drag(source, &origin, icon.as_ref(), self.serial(serial));
            }
            Op::Another => {
                let seat = &self.client.globals().seat;
                seat.get_keyboard(&qh, self.hands.heard.clone());
                seat.get_pointer(&qh, self.hands.heard.clone());
                self.hands.manager.get_data_device(seat, &qh, self.hands.heard.clone());
            }
            Op::Release => {
                let seat = &self.client.globals().seat;
                self.hands.keyboard.release();
                self.hands.keyboard = seat.get_keyboard(&qh, self.hands.heard.clone());
                self.hands.pointer.release();
                self.hands.pointer = seat.get_pointer(&qh, self.hands.heard.clone());
                self.hands.device.release();
                self.hands.device = self.hands.manager.get_data_device(seat, &qh, self.hands.heard.clone());
            }
            Op::Move(serial) => {
                if let Some(window) = &self.window {
                    window.toplevel()._move(&self.client.globals().seat, self.serial(serial));
                }
            }
            Op::Roundtrip => fixture.roundtrip(&mut self.client),
            op => self.answer(&op),
        }
    }

    /// What is done with the last offer.
    fn answer(&self, op: &Op) {
        let Some(offer) = self.offer() else { return };
        match op {
            Op::Accept(yes) => offer.accept(0, yes.then(|| "text/plain".into())),
            Op::OfferActions(all, one) => {
                offer.set_actions(DndAction::from_bits_retain(*all), DndAction::from_bits_retain(*one));
            }
            Op::Receive => {
                offer.receive("text/plain".into(), rustix::pipe::pipe().unwrap().1.as_fd());
            }
            Op::Finish => offer.finish(),
            Op::DestroyOffer => offer.destroy(),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_nothing_is_left(
        ops in prop::collection::vec((0..2_usize, op()), 1..100),
    ) {
        let mut fixture = Fixture::with(|c| c.placement = Placement::Grid { columns: 2, rows: 1 });
        let mut actors = [Actor::new(&mut fixture), Actor::new(&mut fixture)];
        for (who, op) in &ops {
            if actors[*who].client.error().is_none() {
                actors[*who].act(&mut fixture, op);
            }
        }
        for actor in &mut actors {
            fixture.roundtrip(&mut actor.client);
        }
        drop(actors);
        let mut last = fixture.connect();
        fixture.roundtrip(&mut last);
        let seat = &fixture.server().seat;
        assert_eq!(seat.clients.len(), 1);
        assert!(seat.transfers.is_empty() && seat.drag.is_none() && seat.popup.is_none());
        assert!(seat.pointer.focus.is_none() && seat.keyboard.focus.is_none());
        assert_eq!(fixture.server().surfaces.len(), 0);
    }
}
