//! Each case about lifetimes is proven able to fail: there is a compositor that gets it wrong.

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
        "lifetime",
        &[
            ("pool-destroyed-first", "unmaps-with-pool", "crash"),
            ("pool-destroyed-while-shown", "unmaps-with-pool", "crash"),
            ("pool-and-one-of-two-destroyed", "unmaps-with-pool", "crash"),
            ("buffer-destroyed-before-commit", "trusts-buffers", "crash"),
            ("buffer-destroyed-after-commit", "trusts-buffers", "crash"),
            ("buffer-destroyed-then-commit", "trusts-buffers", "crash"),
            ("all-destroyed-while-shown", "trusts-buffers", "crash"),
            ("contents-stay-after-release", "reads-late", "fail"),
            ("surface-destroyed", "releases-when-replaced", "fail"),
            ("surface-destroyed-uncommitted", "trusts-buffers", "crash"),
            ("attach-replaced", "releases-at-attach", "fail"),
            ("uncommitted-never-released", "releases-at-attach", "fail"),
            ("released-when-replaced", "releases-twice", "fail"),
            ("released-after-null", "releases-when-replaced", "fail"),
            ("shown-again-after-null", "null-ends-subsurfaces", "fail"),
            ("same-buffer-twice", "releases-twice", "fail"),
            ("same-buffer-on-two-surfaces", "asserts-one-surface", "crash"),
            ("swap-two-buffers", "never-releases", "fail"),
            ("released-early", "reads-late", "fail"),
            ("released-early-when-replaced", "is-a-frame-behind", "fail"),
            ("frame-callback-once", "never-calls-back", "fail"),
            ("frame-callbacks-in-order", "calls-back-in-reverse", "fail"),
            ("frame-callbacks-of-one-commit", "calls-back-in-reverse", "fail"),
            ("frame-callback-not-committed", "calls-back-at-request", "fail"),
            ("frame-callback-without-damage", "calls-back-for-damage", "fail"),
            ("callback-numbers-are-free-again", "never-calls-back", "fail"),
            ("buffer-numbers-are-free-again", "never-calls-back", "fail"),
            ("number-used-again", "releases-by-number", "fail"),
            ("presentation-once", "never-presents", "fail"),
            ("presentation-of-several-commits", "discards-all", "fail"),
            ("presentation-asked-twice", "presents-one", "fail"),
            ("presentation-of-destroyed-surface", "never-presents", "fail"),
            ("presentation-not-committed", "presents-uncommitted", "fail"),
            ("synchronised-replaced", "forgets-waiting", "fail"),
            ("synchronised-waits", "applies-at-once", "fail"),
            ("synchronised-buffer-destroyed", "trusts-buffers", "crash"),
            ("synchronised-destroyed", "forgets-waiting", "fail"),
            ("get-release-once", "never-releases", "fail"),
            ("get-release-superseded", "never-releases", "fail"),
            ("get-release-without-buffer", "takes-any-release", "fail"),
            ("get-release-on-two-surfaces", "never-releases", "fail"),
            ("get-release-of-destroyed-surface", "never-releases", "fail"),
            ("get-release-of-destroyed-buffer", "never-releases", "fail"),
            ("client-gone-mid-frame", "keeps-fds", "leak"),
            ("client-gone-mid-request", "keeps-fds", "leak"),
            ("buffer-before-configure", "takes-unconfigured", "fail"),
        ],
    );
}
