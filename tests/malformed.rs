//! Messages that are none: a string missing where there must be one, an object or a method that does not exist. The client
//! that sent one is told so and ended, and nobody else notices.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::os::fd::AsFd;

use rustix::fs::SealFlags;
use support::raw::{Ended, memfd};
use support::wire::{Arg, Wire, WireEvent};
use support::{Host, Witness};

const REGISTRY: u32 = 2;
/// A string of no bytes, not even the final zero: there is none.
const MISSING: Arg<'_> = Arg::Uint(0);

const INVALID_OBJECT: u32 = 0;
const INVALID_METHOD: u32 = 1;

fn host() -> (Host, Witness) {
    let host = Host::selkie(&["--refresh", "0"]);
    let bystander = Witness::new(&host.socket());
    (host, bystander)
}

fn error(code: u32, message: &str) -> Ended {
    Ended::Error { interface: "wl_display".into(), object: 1, code, message: message.into() }
}

/// A window's `xdg_toplevel`.
fn toplevel(wire: &mut Wire) -> u32 {
    let (compositor, wm) = (wire.bind("wl_compositor", 4), wire.bind("xdg_wm_base", 1));
    let surface = wire.create("wl_surface", compositor, 0, &[]).unwrap();
    let xdg_surface = wire.create("xdg_surface", wm, 2, &[Arg::Uint(surface)]).unwrap();
    wire.create("xdg_toplevel", xdg_surface, 1, &[]).unwrap()
}

fn data_source(wire: &mut Wire) -> u32 {
    let manager = wire.bind("wl_data_device_manager", 3);
    wire.create("wl_data_source", manager, 0, &[]).unwrap()
}

/// Until something comes.
fn wait_for(wire: &mut Wire, object: u32, opcode: u16) -> WireEvent {
    loop {
        let event = wire.event().unwrap();
        if (event.object, event.opcode) == (object, opcode) {
            return event;
        }
    }
}

#[test]
fn a_global_bound_without_the_name_of_its_interface() {
    let (host, mut bystander) = host();
    let mut wire = Wire::connect(&host.socket());
    let (name, version) = wire.globals["wl_shm"];
    let id = wire.new_id("wl_shm");
    let args = [Arg::Uint(name), MISSING, Arg::Uint(version), Arg::Uint(id)];
    wire.send(REGISTRY, 0, &args).unwrap();
    assert_eq!(wire.wait_for_end(), error(INVALID_METHOD, "invalid arguments for wl_registry#2.bind"));
    bystander.goes_on();
}

#[test]
fn strings_that_are_missing() {
    type Maker = fn(&mut Wire) -> u32;
    let requests: [(Maker, u16, &str, &str); 3] = [
        (toplevel, 2, "xdg_toplevel", "set_title"),
        (toplevel, 3, "xdg_toplevel", "set_app_id"),
        (data_source, 0, "wl_data_source", "offer"),
    ];
    let (host, mut bystander) = host();
    for (object, opcode, interface, request) in requests {
        let mut wire = Wire::connect(&host.socket());
        let object = object(&mut wire);
        // One of no characters is there.
        wire.send(object, opcode, &[Arg::Str("")]).unwrap();
        wire.roundtrip().unwrap();
        wire.send(object, opcode, &[MISSING]).unwrap();
        let message = format!("invalid arguments for {interface}#{object}.{request}");
        assert_eq!(wire.wait_for_end(), error(INVALID_METHOD, &message));
        bystander.goes_on();
    }
}

/// `wl_data_offer.accept` has a string that may be missing: no type is accepted.
#[test]
fn a_string_that_may_be_missing() {
    let (host, mut bystander) = host();
    let mut wire = Wire::connect(&host.socket());
    let (seat, manager) = (wire.bind("wl_seat", 5), wire.bind("wl_data_device_manager", 3));
    let keyboard = wire.create("wl_keyboard", seat, 1, &[]).unwrap();
    let device = wire.create("wl_data_device", manager, 1, &[Arg::Uint(seat)]).unwrap();
    let shm = wire.bind("wl_shm", 1);
    let memory = memfd(4096, Some(SealFlags::SHRINK));
    let pool = wire.pool(shm, memory.as_fd(), 4096).unwrap();
    let layout = [Arg::Int(0), Arg::Int(8), Arg::Int(8), Arg::Int(32), Arg::Uint(1)];
    let buffer = wire.create("wl_buffer", pool, 0, &layout).unwrap();
    let (surface, _) = wire.window().unwrap();
    wire.send(surface, 1, &[Arg::Uint(buffer), Arg::Int(0), Arg::Int(0)]).unwrap();
    wire.send(surface, 6, &[]).unwrap();
    let serial = wait_for(&mut wire, keyboard, 1).word(0);

    // What it copies is offered to itself, since it has the keyboard.
    let source = wire.create("wl_data_source", manager, 0, &[]).unwrap();
    wire.send(source, 0, &[Arg::Str("text/plain")]).unwrap();
    wire.send(device, 1, &[Arg::Uint(source), Arg::Uint(serial)]).unwrap();
    let offer = wait_for(&mut wire, device, 0).word(0);
    wire.send(offer, 0, &[Arg::Uint(serial), MISSING]).unwrap();
    wire.roundtrip().unwrap();
    bystander.goes_on();
}

#[test]
fn objects_and_methods_that_do_not_exist() {
    let (host, mut bystander) = host();
    let mut wire = Wire::connect(&host.socket());
    wire.send(1000, 0, &[]).unwrap();
    assert_eq!(wire.wait_for_end(), error(INVALID_OBJECT, "invalid object 1000"));
    let mut wire = Wire::connect(&host.socket());
    wire.send(REGISTRY, 7, &[]).unwrap();
    assert_eq!(wire.wait_for_end(), error(INVALID_METHOD, "invalid method 7, object wl_registry#2"));
    bystander.goes_on();
}
