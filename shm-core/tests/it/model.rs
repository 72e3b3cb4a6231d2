//! The verdict against a model of it: memory of every kind, with any seals, size, claim and way of being opened.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use proptest::prelude::*;
use rustix::fs::OFlags;
use shm_core::memfd;
use shm_core::seals::Seals;
use shm_core::verdict::{self, Kind, Unsealed, Unusable, Verdict};

use crate::kinds::reopen;
use crate::stalls::disk_file;

/// How memory was made, as its maker would describe it.
#[derive(Clone, Debug)]
enum Made {
    Memfd { sealable: bool, seals: u32 },
    Tmpfs,
    Disk,
    Zero,
    Pipe,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Opened {
    ReadWrite,
    ReadOnly,
    WriteOnly,
    Path,
}

#[derive(Clone, Debug)]
struct Case {
    made: Made,
    opened: Opened,
    size: u64,
    claimed: u64,
    adopt: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let made = prop_oneof![
        6 => (any::<bool>(), 0_u32..32).prop_map(|(sealable, seals)| Made::Memfd { sealable, seals }),
        1 => Just(Made::Tmpfs),
        1 => Just(Made::Disk),
        1 => Just(Made::Zero),
        1 => Just(Made::Pipe),
    ];
    let opened = prop_oneof![
        4 => Just(Opened::ReadWrite),
        2 => Just(Opened::ReadOnly),
        1 => Just(Opened::WriteOnly),
        1 => Just(Opened::Path),
    ];
    let size = prop_oneof![Just(0), 1_u64..20_000, Just(1 << 40)];
    let claim = prop_oneof![
        4 => (0_i64..3).prop_map(Ok),
        2 => (-20_000_i64..0).prop_map(Ok),
        1 => prop_oneof![Just(0), Just(1), Just(i32::MAX as u64), Just(u64::MAX)].prop_map(Err),
    ];
    (made, opened, size, claim, any::<bool>()).prop_map(|(made, opened, size, claim, adopt)| {
        let claimed = claim.map_or_else(|exact| exact, |more| size.saturating_add_signed(more));
        Case { made, opened, size, claimed, adopt }
    })
}

const SEAL: u32 = 1;
const SHRINK: u32 = 2;

/// The verdict as the design's text has it, from the description alone.
fn expected(case: &Case, disk: &str) -> (Kind, Verdict, bool) {
    let unusable = |kind, why| (kind, Verdict::Unusable { why }, false);
    if case.opened == Opened::Path {
        return unusable(Kind::Other, Unusable::PathOnly);
    }
    let kind = match case.made {
        Made::Zero => return unusable(Kind::CharDevice, Unusable::CharDevice),
        Made::Pipe => return unusable(Kind::Pipe, Unusable::Pipe),
        Made::Memfd { .. } => Kind::Memfd,
        Made::Tmpfs => Kind::Tmpfs,
        Made::Disk => Kind::Disk,
    };
    let writable = matches!(case.opened, Opened::ReadWrite | Opened::WriteOnly);
    let adopted = match case.made {
        Made::Memfd { sealable: true, seals } => case.adopt && writable && seals & (SEAL | SHRINK) == 0,
        _ => false,
    };
    let verdict = if case.opened == Opened::WriteOnly {
        Verdict::Unusable { why: Unusable::WriteOnly }
    } else if case.claimed == 0 {
        Verdict::Unusable { why: Unusable::Empty }
    } else if case.claimed > case.size {
        Verdict::Unusable { why: Unusable::TooShort { claimed: case.claimed, size: case.size } }
    } else {
        let why = match case.made {
            Made::Memfd { sealable: false, .. } => Some(Unsealed::NotSealable),
            Made::Memfd { seals, .. } if adopted || seals & SHRINK != 0 => None,
            Made::Memfd { seals: SEAL, .. } => Some(Unsealed::NotSealable),
            Made::Memfd { seals, .. } if seals & SEAL != 0 => {
                Some(Unsealed::SealedShut { seals: Seals::from_bits_retain(seals) })
            }
            Made::Memfd { .. } if case.opened == Opened::ReadOnly => Some(Unsealed::ReadOnly),
            Made::Memfd { .. } => Some(Unsealed::ShrinkMissing),
            Made::Tmpfs => Some(Unsealed::Tmpfs),
            _ => Some(Unsealed::Disk { file_system: disk.to_owned() }),
        };
        why.map_or(Verdict::Sealed, |why| Verdict::Unsealed { why })
    };
    (kind, verdict, adopted)
}

/// Makes what the case describes.
fn make(case: &Case) -> OwnedFd {
    let flags = match case.opened {
        Opened::ReadWrite => OFlags::RDWR,
        Opened::ReadOnly => OFlags::RDONLY,
        Opened::WriteOnly => OFlags::WRONLY,
        Opened::Path => OFlags::PATH,
    };
    let fd: OwnedFd = match case.made {
        Made::Memfd { sealable, seals } => {
            let seals = sealable.then_some(Seals::from_bits_retain(seals));
            memfd::create("selkie-model", case.size, seals).unwrap()
        }
        Made::Tmpfs => {
            let file = tempfile::tempfile_in("/dev/shm").unwrap();
            file.set_len(case.size).unwrap();
            file.into()
        }
        Made::Disk => {
            let file = disk_file("disk files in the model").unwrap();
            file.set_len(case.size).unwrap();
            file.into()
        }
        Made::Zero => File::options().read(true).write(true).open("/dev/zero").unwrap().into(),
        Made::Pipe => {
            let (reader, writer) = std::io::pipe().unwrap();
            match case.opened {
                Opened::WriteOnly => return writer.into(),
                Opened::Path => reader.into(),
                _ => return reader.into(),
            }
        }
    };
    reopen(fd.as_fd(), flags)
}

#[test]
fn the_verdict_is_what_the_model_says() {
    let disk =
        disk_file("disk files in the model").map(|file| match verdict::examine(file.as_fd(), 1).verdict {
            Verdict::Unsealed { why: Unsealed::Disk { file_system } } => file_system,
            other => panic!("{other:?}"),
        });
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(case in cases())| {
        prop_assume!(disk.is_some() || !matches!(case.made, Made::Disk));
        let fd = make(&case);
        let examined = if case.adopt {
            verdict::adopt(fd.as_fd(), case.claimed)
        } else {
            verdict::examine(fd.as_fd(), case.claimed)
        };
        let (kind, verdict, adopted) = expected(&case, disk.as_deref().unwrap_or_default());
        prop_assert_eq!((examined.kind, &examined.verdict, examined.adopted), (kind, &verdict, adopted));
        let is_file = !matches!(case.made, Made::Zero | Made::Pipe) && case.opened != Opened::Path;
        prop_assert_eq!(examined.file_size, is_file.then_some(case.size));
        // What the verdict promises: nobody can make sealed memory smaller.
        if verdict == Verdict::Sealed && case.opened == Opened::ReadWrite {
            prop_assert!(rustix::fs::ftruncate(&fd, case.claimed - 1).is_err());
        }
    });
}
