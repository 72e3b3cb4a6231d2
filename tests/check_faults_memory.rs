//! Each case about memory is proven able to fail: there is a compositor that gets it wrong.

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
        "memory",
        &[
            ("sealed-memfd", "refuses-sealed", "fail"),
            ("shrink-after-commit", "reads-unguarded", "crash"),
            ("resize-past-sealed-file", "takes-any-resize,reads-unguarded", "crash"),
        ],
    );
}
