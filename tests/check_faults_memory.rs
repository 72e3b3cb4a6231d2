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
    let any_resize = "takes-any-resize,reads-unguarded";
    let any_file = "takes-any-file,reads-unguarded";
    let dies_of_it = "maps-for-writing,dies-of-unmappable";
    broken::all_are_found(
        "memory",
        &[
            ("sealed-memfd", "refuses-sealed", "fail"),
            ("sealed-against-shrinking-only", "wants-exact-seals", "fail"),
            ("sealed-against-growing-too", "wants-exact-seals", "fail"),
            ("sealed-against-execution", "wants-exact-seals", "fail"),
            ("sealed-against-writing", dies_of_it, "crash"),
            ("sealed-against-new-writers", dies_of_it, "crash"),
            ("sealed-but-for-shrinking", "wrong-code", "fail"),
            ("unsealed-memfd", "wrong-code", "fail"),
            ("memfd-that-cannot-be-sealed", "wrong-code", "fail"),
            ("posix-shared-memory", "wrong-code", "fail"),
            ("file-in-runtime-directory", "wrong-code", "fail"),
            ("unlinked-file-in-tmp", "wrong-code", "fail"),
            ("read-only-fd", dies_of_it, "crash"),
            ("read-only-fd-of-unsealed-memory", dies_of_it, "crash"),
            ("write-only-fd", "takes-any-file", "fail"),
            ("o-path-fd", "takes-any-file", "fail"),
            ("pipe", "takes-any-file", "fail"),
            ("closed-pipe", "takes-any-file", "fail"),
            ("socket", "takes-any-file", "fail"),
            ("directory", "takes-any-file", "fail"),
            ("dev-null", "takes-any-file", "fail"),
            ("dev-zero", "wrong-code", "fail"),
            ("eventfd", "takes-any-file", "fail"),
            ("epoll", "takes-any-file", "fail"),
            ("shorter-than-claimed", any_file, "crash"),
            ("sealed-but-shorter-than-claimed", any_file, "crash"),
            ("empty-file", any_file, "crash"),
            ("claims-two-gibibytes", "rounds-sizes-up", "crash"),
            ("larger-than-claimed", "wants-exact-size", "fail"),
            ("size-of-no-whole-pages", "wants-whole-pages", "fail"),
            ("hugetlb-sealed", "wrong-code", "fail"),
            ("hugetlb-punched", "reads-unguarded", "crash"),
            ("file-of-a-silent-owner", "asks-any-file", "fail"),
            ("shrink-before-first-commit", "reads-unguarded", "crash"),
            ("shrink-between-attach-and-commit", "reads-unguarded", "crash"),
            ("shrink-after-commit", "reads-unguarded", "crash"),
            ("shrink-in-part", "reads-unguarded", "crash"),
            ("shrink-and-grow-back", "reads-unguarded", "crash"),
            ("shrink-during-commits", "reads-unguarded", "crash"),
            ("shrink-while-shown", "rereads-all,reads-unguarded", "crash"),
            ("hole-punched", "refuses-holes", "fail"),
            ("holes-punched-during-commits", "refuses-holes", "fail"),
            ("pages-never-touched", "refuses-holes", "fail"),
            ("large-buffer-of-holes", "refuses-holes", "fail"),
            ("file-grows-while-shown", "wants-exact-size", "fail"),
            ("grown-file-without-resize", "takes-the-file-for-the-pool", "fail"),
            ("resize-and-use-the-new-part", "ignores-resize", "fail"),
            ("resize-keeps-old-buffers", "keeps-pointers,reads-unguarded", "crash"),
            ("resize-between-attach-and-commit", "keeps-pointers,reads-unguarded", "crash"),
            ("resize-many-times", "ignores-resize", "fail"),
            ("resize-after-a-buffer-is-destroyed", "ignores-resize", "fail"),
            ("resize-to-the-same-size", "wants-growth", "fail"),
            ("resize-into-what-was-there", "ignores-resize", "fail"),
            ("resize-to-half", "dies-of-shrinking-pools", "crash"),
            ("resize-to-zero", "dies-of-shrinking-pools", "crash"),
            ("resize-to-a-negative-size", "dies-of-shrinking-pools", "crash"),
            ("resize-past-unsealed-file", any_resize, "crash"),
            ("resize-past-sealed-file", any_resize, "crash"),
            ("resize-before-the-file-grows", "ignores-resize", "fail"),
            ("many-pools-on-one-memory", "one-pool-per-file", "fail"),
            ("one-memory-two-sizes", "one-pool-per-file", "fail"),
            ("two-clients-share-one-memory", "one-pool-per-file", "fail"),
            ("sealed-after-the-pool", "dies-of-changed-seals", "crash"),
            ("write-sealed-while-shown", "refuses-changed-seals", "fail"),
            ("resize-after-write-seal", dies_of_it, "crash"),
        ],
    );
}
