//! `selkie audit`: its report, its exit status, and how it ends, with programs whose memory is known.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use support::audit::audit;
use support::require_programs;

#[test]
fn a_sealed_program_is_accepted() {
    require_programs!("weston-simple-shm");
    let audit = audit(&["--seconds", "1"], &["weston-simple-shm"]);
    assert_eq!(audit.status.code(), Some(0), "{}", audit.log);
    let pools = audit.pools("weston-simple-shm");
    assert_eq!(pools.len(), 2);
    for pool in pools {
        assert_eq!((&pool["kind"], &pool["seals"]), (&"memfd".into(), &"shrink".into()));
        assert_eq!((&pool["verdict"], &pool["shrink_seal"]), (&"sealed".into(), &"present".into()));
        assert_eq!((&pool["claimed"], &pool["file_size"]), (&250_000.into(), &250_000.into()));
    }
    for policy in ["enforce", "adopt", "copy", "guard"] {
        assert_eq!(audit.report["policies"][policy]["treatment"], "mapped");
    }
    assert_eq!(audit.report["ended"], "still ran after 1 s, and was ended");
}
