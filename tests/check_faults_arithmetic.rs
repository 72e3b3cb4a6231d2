//! Each case about numbers is proven able to fail: there is a compositor that gets it wrong.

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
        "arithmetic",
        &[
            ("pool-of-no-bytes", "takes-any-pool-size", "fail"),
            ("pool-of-negative-size", "takes-any-pool-size", "fail"),
            ("pool-of-lowest-size", "takes-any-pool-size", "fail"),
            ("pool-of-highest-size", "wants-small-pools", "fail"),
            ("offset-negative", "takes-any-layout", "fail"),
            ("offset-lowest", "takes-any-layout", "fail"),
            ("offset-highest", "takes-any-layout", "fail"),
            ("offset-at-end", "takes-any-layout", "fail"),
            ("end-beyond-pool", "takes-any-layout", "fail"),
            ("end-one-byte-beyond-pool", "takes-any-layout", "fail"),
            ("end-wraps", "takes-any-layout", "fail"),
            ("width-zero", "takes-any-layout", "fail"),
            ("width-negative", "takes-any-layout", "fail"),
            ("width-highest", "takes-any-layout", "fail"),
            ("width-wraps", "takes-any-layout", "fail"),
            ("height-zero", "takes-any-layout", "fail"),
            ("height-negative", "takes-any-layout", "fail"),
            ("height-highest", "takes-any-layout", "fail"),
            ("stride-zero", "takes-any-layout", "fail"),
            ("stride-negative", "takes-any-layout", "fail"),
            ("stride-lowest", "takes-any-layout", "fail"),
            ("stride-highest", "asserts-layouts", "crash"),
            ("product-wraps-to-zero", "takes-any-layout", "fail"),
            ("product-wraps-to-little", "asserts-layouts", "crash"),
            ("stride-one-byte-short", "asserts-layouts", "crash"),
            ("stride-counts-pixels", "asserts-layouts", "crash"),
            ("stride-odd", "asserts-alignment", "crash"),
            ("offset-odd", "asserts-alignment", "crash"),
            ("row-very-wide", "asserts-16-bits", "crash"),
            ("column-very-tall", "asserts-16-bits", "crash"),
            ("stride-very-long", "asserts-16-bits", "crash"),
            ("last-row-short", "asserts-layouts", "crash"),
            ("ends-with-pool", "wants-a-byte-more", "fail"),
            ("behind-others", "ignores-offset", "fail"),
            ("one-pixel", "wants-a-byte-more", "fail"),
            ("stride-with-padding", "ignores-stride", "fail"),
            ("stride-of-odd-words", "ignores-stride", "fail"),
            ("offset-of-odd-words", "ignores-offset", "fail"),
            ("format-unknown", "takes-any-format", "fail"),
            ("format-as-fourcc", "takes-any-format", "fail"),
            ("format-not-offered", "takes-any-format", "fail"),
            ("formats-for-all", "offers-argb-only", "fail"),
            ("format-at-smallest-stride", "wants-a-byte-more", "fail"),
            ("damage-extreme", "adds-in-32-bits", "crash"),
            ("damage-buffer-extreme", "adds-in-32-bits", "crash"),
            ("damage-negative", "asserts-rectangles", "crash"),
            ("attach-extreme", "adds-in-32-bits", "crash"),
            ("attach-offset", "takes-any-attach", "fail"),
            ("offset-extreme", "adds-in-32-bits", "crash"),
            ("scale-zero", "takes-any-scale", "fail"),
            ("scale-negative", "takes-any-scale", "fail"),
            ("scale-lowest", "takes-any-scale", "fail"),
            ("scale-does-not-divide", "takes-any-scale", "fail"),
            ("scale-highest", "takes-any-scale", "fail"),
            ("transform-unknown", "takes-any-transform", "fail"),
            ("region-extreme", "adds-in-32-bits", "crash"),
            ("region-negative", "asserts-rectangles", "crash"),
            ("viewport-source-bad", "takes-any-viewport", "fail"),
            ("viewport-destination-bad", "takes-any-viewport", "fail"),
            ("viewport-source-fraction", "takes-any-viewport", "fail"),
            ("viewport-beyond-buffer", "takes-any-viewport", "fail"),
            ("viewport-beyond-by-fraction", "takes-any-viewport", "fail"),
            ("viewport-source-highest", "takes-any-viewport", "fail"),
            ("viewport-destination-highest", "adds-in-32-bits", "crash"),
            ("subsurface-far-away", "adds-in-32-bits", "crash"),
            ("geometry-empty", "takes-any-window-numbers", "fail"),
            ("geometry-extreme", "adds-in-32-bits", "crash"),
            ("min-size-negative", "takes-any-window-numbers", "fail"),
            ("max-size-negative", "takes-any-window-numbers", "fail"),
            ("min-size-above-max", "takes-any-window-numbers", "fail"),
            ("positioner-size-empty", "takes-any-window-numbers", "fail"),
            ("positioner-anchor-negative", "takes-any-window-numbers", "fail"),
            ("positioner-extreme", "adds-in-32-bits", "crash"),
        ],
    );
}
