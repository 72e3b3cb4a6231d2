//! Each case about what a compositor hands out is proven able to fail: there is one that gets it wrong.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use support::broken;

#[test]
#[ignore = "a server, which the other tests start"]
fn the_broken_server() {
    broken::serve_if_asked();
}

#[test]
fn each_case_finds_its_fault() {
    broken::all_are_found(
        "handout",
        &[
            ("keymap-size", "keymap-said-too-large", "fail"),
            ("keymap-text", "keymap-without-an-end", "fail"),
            ("keymap-text", "keymap-of-nothing", "fail"),
            ("keymap-shared-for-old-clients", "keymap-that-cannot-be-mapped", "fail"),
            ("keymap-for-each-keyboard", "sends-a-keymap-once", "fail"),
            ("keymap-not-writable-for-others", "one-keymap-for-all", "fail"),
            ("keymap-not-cut-off-for-others", "one-keymap-for-all", "fail"),
            ("keyboards-come-and-go", "keeps-keymaps", "leak"),
            ("capture-buffer", "asks-for-short-rows", "fail"),
            ("capture-stays-in-its-buffer", "copies-a-row-too-many", "fail"),
            ("capture-into-write-sealed-memory", "says-ready-anyway", "fail"),
            ("capture-into-write-sealed-memory", "copies-unguarded", "crash"),
            ("capture-into-read-only-memory", "says-ready-anyway", "fail"),
            ("capture-into-cut-off-memory", "maps-for-writing,copies-unguarded", "crash"),
            ("capture-while-memory-shrinks", "maps-for-writing,copies-unguarded", "crash"),
            ("capture-into-smaller-buffer", "copies-into-anything,says-ready-anyway", "fail"),
            ("capture-twice-with-one-frame", "copies-twice", "fail"),
        ],
    );
}
