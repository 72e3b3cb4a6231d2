//! What only System V segments have: limits that can be reached, owners, huge pages without a file.

use shm_core::shared::{AccessError, Shared};
use shm_core::sysv::{Create, Huge, Key, Permissions, Place, Segment, SysvError};

use crate::conformance::other::Other;
use crate::conformance::{NOBODY, root};
use crate::{page, skip};

/// What another process, in an IPC namespace with these limits, says to be wrong with one more segment of `size` bytes.
fn refused(other: &mut Other, size: usize) -> (String, String) {
    other.ask(&format!("create sysv {size}")).unwrap_err()
}

#[test]
fn each_limit_is_told_from_the_others() {
    if !root("the limits of System V") {
        return;
    }
    let page = page();
    let answer = |kind: &str, sentence: String| (kind.to_owned(), sentence);
    // SHMMAX, and then SHMALL.
    let mut other = Other::start();
    other.tell(&format!("limits {} 100 4", 3 * page));
    let sentence = format!(
        "a segment has at most {} bytes here (SHMMAX, /proc/sys/kernel/shmmax), and {} were asked for",
        3 * page,
        3 * page + 1
    );
    assert_eq!(refused(&mut other, 3 * page + 1), answer("InvalidInput", sentence));
    other.tell(&format!("create sysv {}", 3 * page));
    let sentence = format!(
        "{} bytes are more than all segments together may still take: 3 of 4 pages are taken (SHMALL, \
         /proc/sys/kernel/shmall)",
        page + 1
    );
    assert_eq!(refused(&mut other, page + 1), answer("StorageFull", sentence));
    other.tell(&format!("create sysv {page}"));
    // SHMMNI.
    let mut other = Other::start();
    other.tell("limits 1000000 2 1000");
    other.tell("create sysv 1");
    other.tell("create sysv 1");
    let sentence = "there are 2 segments, as many as there may be (SHMMNI, /proc/sys/kernel/shmmni): remove some \
                    (ipcs -m, ipcrm)";
    assert_eq!(refused(&mut other, 1), answer("StorageFull", sentence.to_owned()));
    // One that is removed counts as long as somebody has it.
    other.tell("remove");
    other.ask("create sysv 1").unwrap_err();
    other.tell("close");
    other.tell("create sysv 1");
}

#[test]
fn the_mode_is_for_others_and_the_owner_can_change_it() {
    if !root("the mode of a segment") {
        return;
    }
    let segment = Segment::create(Key::PRIVATE, &Create { mode: 0o644, ..Create::new(5) }).unwrap();
    let segment = segment.remove_on_drop();
    let id = segment.id();
    segment.attach().unwrap().write_at(0, b"hello").unwrap();
    let mut other = Other::start();
    other.tell(&format!("uid {NOBODY}"));
    // Read only.
    assert_eq!(other.tell(&format!("read-id {id}")), "hello");
    let sentence = format!(
        "the mode of the segment {id} does not let this user write it: its owner can change that (IPC_SET)"
    );
    let refused = |sentence: &str| Err(("PermissionDenied".to_owned(), sentence.to_owned()));
    assert_eq!(other.ask(&format!("open sysv sysv:{id} 0")), refused(&sentence));
    let sentence = format!(
        "only the owner and the creator of the segment {id} (or one with CAP_SYS_ADMIN) may remove it"
    );
    assert_eq!(other.ask(&format!("remove-id {id}")), refused(&sentence));
    // Not at all.
    let stat = segment.stat().unwrap();
    segment.set_permissions(Permissions { mode: 0o600, ..stat.permissions }).unwrap();
    let sentence = format!(
        "the mode of the segment {id} does not let this user read it: its owner can change that (IPC_SET)"
    );
    assert_eq!(other.ask(&format!("read-id {id}")), refused(&sentence));
    // As its owner.
    segment.set_permissions(Permissions { owner: NOBODY, ..stat.permissions }).unwrap();
    assert_eq!(other.tell(&format!("open sysv sysv:{id} 5")), "5");
    other.tell("close");
    other.tell(&format!("remove-id {id}"));
    assert!(matches!(segment.stat(), Err(SysvError::NoId { .. })));
}

#[test]
fn a_huge_page_that_is_not_there_is_caught() {
    let Some(huge) = Huge::of(2 << 20) else { panic!("a power of two") };
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let free = meminfo.lines().find_map(|line| line.strip_prefix("HugePages_Free:"));
    if free.map(str::trim) != Some("0") || !meminfo.contains("Hugepagesize:       2048 kB") {
        return skip("huge pages of System V", "there are free ones, or none of 2 MiB");
    }
    let create = Create { huge: Some(huge), ..Create::new(100) };
    match Segment::create(Key::PRIVATE, &create) {
        Err(SysvError::NoHugePages { size: 100, .. }) => {}
        Err(SysvError::HugeForbidden { .. }) => {
            return skip("huge pages of System V", "they are not for this user");
        }
        // Another test has changed their number meanwhile.
        Ok(segment) => {
            segment.remove().unwrap();
            return skip("huge pages of System V", "now there are some");
        }
        other => panic!("{other:?}"),
    }
    // Without a reservation it is made all the same, and there is no page when it is touched.
    let segment =
        Segment::create(Key::PRIVATE, &Create { no_reserve: true, ..create }).unwrap().remove_on_drop();
    let memory = segment.attach().unwrap();
    assert!(memory.can_shrink());
    assert_eq!(memory.len(), 100);
    match memory.write_at(3, b"!") {
        Err(AccessError::Fault { offset: 3 }) => {}
        Ok(()) => skip("huge pages of System V", "now there are some"),
        other => panic!("{other:?}"),
    }
    let start = memory.start().addr().get();
    drop(memory);
    assert_eq!(segment.stat().unwrap().attached, 0);
    // All of its addresses are free again.
    let small = Segment::create(Key::PRIVATE, &Create::new(2 << 20)).unwrap().remove_on_drop();
    assert_eq!(small.attach_at(Place::At(start)).unwrap().start().addr().get(), start);
}
