//! Each case about dma-bufs is proven able to fail: there is a compositor that gets it wrong. In the guest those that
//! need real dma-bufs, elsewhere the others.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use support::broken;

/// The cases that need a real dma-buf.
const REAL: [&str; 24] = [
    "larger-than-its-memory",
    "offset-beyond-its-memory",
    "stride-too-small",
    "stride-without-end",
    "second-plane-beyond-its-memory",
    "shown",
    "shown-at-once",
    "released-once",
    "destroyed-while-shown",
    "pages-taken-away",
    "many-buffers-of-one",
    "fence-waited-for",
    "fence-never-signalled",
    "explicit-surface-gone",
    "explicit-shm-buffer",
    "explicit-without-buffer",
    "explicit-without-acquire",
    "explicit-without-release",
    "explicit-points-conflict",
    "explicit-acquire-waited-for",
    "explicit-acquire-never-signalled",
    "explicit-release-signalled",
    "explicit-released-early",
    "explicit-timeline-destroyed",
];

#[test]
#[ignore = "a server, which the other tests start"]
fn the_broken_server() {
    broken::serve_if_asked();
}

/// An eighth of them, because a test in the guest may take five minutes, and two run at a time.
fn each_finds_its_fault(eighth: usize) {
    let (real, guest) = (Path::new("/dev/udmabuf").exists(), std::env::var_os("SELKIE_REQUIRE_DMABUF"));
    assert!(real || guest.is_none(), "there is no /dev/udmabuf");
    let mut left_out: Vec<&str> = match (real, guest.is_some()) {
        (false, _) => REAL.to_vec(),
        // It is slow, and the rest needs no guest.
        (true, true) => FAULTS.iter().map(|fault| fault.0).filter(|case| !REAL.contains(case)).collect(),
        (true, false) => Vec::new(),
    };
    // A case may have several faults, one after the other.
    let at = |case: &str| FAULTS.iter().position(|fault| fault.0 == case).unwrap();
    left_out.extend(FAULTS.iter().map(|fault| fault.0).filter(|case| at(case) % 8 != eighth));
    eprintln!("left out: {left_out:?}");
    broken::all_but("dmabuf", FAULTS, &left_out);
}

const FAULTS: &[(&str, &str, &str)] = &[
    ("plane-index-out-of-range", "believes-plane-numbers", "crash"),
    ("plane-added-twice", "takes-planes-twice", "fail"),
    ("create-twice", "uses-parameters-again,wants-a-plane", "crash"),
    ("add-after-create", "uses-parameters-again", "fail"),
    ("no-planes", "wants-a-plane", "crash"),
    ("plane-left-out", "overlooks-gaps,takes-any-fd", "fail"),
    ("too-few-planes", "counts-no-planes,takes-any-fd", "fail"),
    ("too-many-planes", "counts-no-planes,takes-any-fd", "fail"),
    ("format-not-offered", "takes-any-format,takes-any-fd", "fail"),
    ("modifier-not-offered", "takes-any-modifier,takes-any-fd", "fail"),
    ("modifiers-differ", "looks-at-the-first-modifier,takes-any-fd", "fail"),
    ("no-size", "takes-any-size,takes-any-fd", "fail"),
    ("size-without-end", "takes-any-extent,takes-any-fd", "fail"),
    ("larger-than-its-memory", "takes-any-extent", "fail"),
    ("offset-beyond-its-memory", "counts-in-32-bits", "fail"),
    ("stride-too-small", "takes-any-extent", "fail"),
    ("stride-without-end", "counts-in-32-bits", "fail"),
    ("second-plane-beyond-its-memory", "takes-any-extent", "fail"),
    ("flags-unknown", "knows-all-flags", "crash"),
    ("memfd-for-a-dmabuf", "takes-any-fd", "fail"),
    ("file-for-a-dmabuf", "takes-any-fd", "fail"),
    ("pipe-for-a-dmabuf", "takes-any-fd", "fail"),
    ("device-for-a-dmabuf", "takes-any-fd,takes-any-extent", "fail"),
    ("socket-for-a-dmabuf", "takes-any-fd", "fail"),
    ("parameters-cancelled", "keeps-planes", "leak"),
    ("parameters-kept", "keeps-planes", "leak"),
    ("shown", "never-calls-back", "fail"),
    ("shown-at-once", "knows-no-immed", "crash"),
    ("released-once", "never-releases", "fail"),
    ("destroyed-while-shown", "trusts-buffers", "crash"),
    ("pages-taken-away", "imports-once", "crash"),
    ("many-buffers-of-one", "keeps-planes", "leak"),
    ("fence-waited-for", "reads-unfinished", "fail"),
    ("fence-never-signalled", "waits-for-fences", "fail"),
    ("fence-never-signalled", "keeps-held", "leak"),
    ("explicit-surface-twice", "synchronises-twice", "fail"),
    ("explicit-memfd-for-a-timeline", "takes-any-timeline", "fail"),
    ("explicit-surface-gone", "sets-points-of-nothing", "fail"),
    ("explicit-shm-buffer", "forgets-points-of-shm", "fail"),
    ("explicit-without-buffer", "keeps-points", "fail"),
    ("explicit-without-acquire", "needs-no-acquire", "fail"),
    ("explicit-without-release", "needs-no-release", "fail"),
    ("explicit-points-conflict", "compares-no-points", "fail"),
    ("explicit-acquire-waited-for", "reads-unfinished", "fail"),
    ("explicit-acquire-never-signalled", "waits-for-fences", "hang"),
    ("explicit-acquire-never-signalled", "keeps-held", "leak"),
    ("explicit-release-signalled", "never-releases", "fail"),
    ("explicit-released-early", "reads-late", "fail"),
    ("explicit-timeline-destroyed", "forgets-timelines", "fail"),
    ("feedback-complete", "points-beyond-the-table", "fail"),
    ("feedback-without-duplicates", "offers-twice", "fail"),
    ("feedback-of-a-surface", "looks-for-the-surface", "crash"),
    ("feedback-as-in-version-3", "forgets-old-clients", "fail"),
    ("feedback-table-of-others", "shares-its-table", "fail"),
];

#[test]
fn each_case_of_the_first_eighth_finds_its_fault() {
    each_finds_its_fault(0);
}

#[test]
fn each_case_of_the_second_eighth_finds_its_fault() {
    each_finds_its_fault(1);
}

#[test]
fn each_case_of_the_third_eighth_finds_its_fault() {
    each_finds_its_fault(2);
}

#[test]
fn each_case_of_the_fourth_eighth_finds_its_fault() {
    each_finds_its_fault(3);
}

#[test]
fn each_case_of_the_fifth_eighth_finds_its_fault() {
    each_finds_its_fault(4);
}

#[test]
fn each_case_of_the_sixth_eighth_finds_its_fault() {
    each_finds_its_fault(5);
}

#[test]
fn each_case_of_the_seventh_eighth_finds_its_fault() {
    each_finds_its_fault(6);
}

#[test]
fn each_case_of_the_eighth_eighth_finds_its_fault() {
    each_finds_its_fault(7);
}
