//! Each case about load is proven able to fail: there is a compositor that gets it wrong.

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
        "load",
        &[
            ("thousands-of-pools", "keeps-pool-fds", "leak"),
            ("pools-of-one-memory", "keeps-pool-fds", "leak"),
            ("fds-to-the-limit", "keeps-pool-fds", "leak"),
            ("thousands-of-buffers", "forgets-to-free", "leak"),
            ("thousands-of-surfaces", "draws-each-surface", "fail"),
            ("thousands-of-regions", "forgets-to-free", "leak"),
            ("region-of-many-rectangles", "forgets-to-free", "leak"),
            ("thousands-of-frame-callbacks", "forgets-to-free", "leak"),
            ("thousands-of-feedbacks", "forgets-to-free", "leak"),
            ("subsurfaces-in-a-chain", "recurses", "crash"),
            ("subsurfaces-side-by-side", "draws-each-surface", "fail"),
            ("fds-nobody-takes", "keeps-sockets", "leak"),
            ("syncs-unread", "waits-for-readers", "fail"),
            ("registries-unread", "waits-for-readers", "fail"),
            ("frames-unread", "waits-for-readers", "fail"),
            ("half-a-message", "waits-for-the-rest", "hang"),
            ("half-a-request-with-an-fd", "keeps-sockets", "leak"),
            ("message-of-size-zero", "believes-sizes", "hang"),
            ("message-longer-than-any", "believes-sizes", "crash"),
            ("string-longer-than-its-message", "believes-strings", "crash"),
            ("string-missing", "needs-strings", "crash"),
            ("garbage", "has-a-short-table", "crash"),
            ("requests-to-nobody", "has-a-short-table", "crash"),
            ("object-number-far-ahead", "grows-its-table", "crash"),
            ("connections-come-and-go", "keeps-sockets", "leak"),
            ("connections-at-once", "keeps-sockets", "leak"),
            ("killed-at-each-request", "needs-surfaces", "crash"),
            ("killed-at-random", "needs-surfaces", "crash"),
            ("flood-of-commits", "draws-each-commit,serves-until-empty", "fail"),
            ("big-and-small-windows", "keeps-pictures", "leak"),
            ("flood-of-binds", "forgets-to-free", "leak"),
            ("flood-without-end", "serves-until-empty", "fail"),
        ],
    );
}
