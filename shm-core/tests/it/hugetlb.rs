//! Huge pages: sealed, and they vanish all the same. Needs some to be configured, and gives them back afterwards.

use std::fs::{self, File};
use std::os::fd::AsFd;

use rustix::fs::FlockOperation;
use shm_core::mapping::{Guarded, MapError, Mapping, ReadError, Sealed};
use shm_core::memfd::{HugetlbSize, Options};
use shm_core::seals::Seals;
use shm_core::verdict::{self, Kind, Unsealed, Verdict};

use crate::peer::Peer;
use crate::skip;

const POOL: &str = "/proc/sys/vm/nr_hugepages";
const SIZE: u64 = 2 << 20;

/// Changes the number of huge pages, and back when dropped.
struct Pages {
    before: u64,
    /// There is one pool of them on a machine: whoever else changes it locks it, too.
    _lock: File,
}

impl Pages {
    fn now() -> u64 {
        fs::read_to_string(POOL).unwrap().trim().parse().unwrap()
    }

    fn take(count: u64) -> Result<Pages, String> {
        let size = fs::read_to_string("/proc/meminfo").unwrap();
        if !size.lines().any(|line| line.starts_with("Hugepagesize:") && line.ends_with("    2048 kB")) {
            return Err("the default huge page is not 2 MiB".to_owned());
        }
        let lock = File::open(POOL).map_err(|error| format!("{POOL}: {error}"))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|error| error.to_string())?;
        let pages = Pages { before: Pages::now(), _lock: lock };
        let wanted = pages.before + count;
        fs::write(POOL, wanted.to_string()).map_err(|error| format!("{POOL}: {error}"))?;
        // Dropping takes back what there is of them.
        (Pages::now() == wanted).then_some(pages).ok_or("no free memory for huge pages".to_owned())
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        fs::write(POOL, self.before.to_string()).unwrap();
    }
}

#[test]
fn a_sealed_huge_page_vanishes_and_is_caught() {
    let pages = match Pages::take(2) {
        Ok(pages) => pages,
        Err(why) => return skip("huge pages", why),
    };
    let peer = Peer::start();
    let make =
        |seals| Options { seals, huge: Some(HugetlbSize::Huge2MB) }.create("selkie-huge", SIZE).unwrap();
    let hugetlb = Verdict::Unsealed { why: Unsealed::Hugetlb };

    // Whatever its seals.
    let sealed = make(Some(Seals::SEAL | Seals::SHRINK));
    let examined = verdict::examine(sealed.as_fd(), SIZE);
    assert_eq!(
        (&examined.verdict, examined.kind, examined.file_size),
        (&hugetlb, Kind::HugetlbMemfd, Some(SIZE))
    );
    assert_eq!(examined.seals, Some(Seals::SEAL | Seals::SHRINK));
    assert!(matches!(
        Mapping::<Sealed>::new(sealed.as_fd(), SIZE),
        Err(MapError::Unsealed { why: Unsealed::Hugetlb })
    ));
    let never = make(None);
    assert_eq!(verdict::examine(never.as_fd(), SIZE).verdict, hugetlb);
    assert_eq!(verdict::examine(never.as_fd(), SIZE).kind, Kind::HugetlbMemfd);
    let open = make(Some(Seals::empty()));
    let adopted = verdict::adopt(open.as_fd(), SIZE);
    assert_eq!((adopted.verdict, adopted.adopted), (hugetlb, true));
    assert!(adopted.seals.unwrap().contains(Seals::SHRINK));
    drop((never, open));

    // Read in part, so that the length is no multiple of the page that has to be replaced.
    let mapping = Mapping::<Guarded>::new(sealed.as_fd(), 5000).unwrap();
    peer.ask(&sealed, "punch 0 2097152").unwrap();
    let mut copy = [1; 100];
    mapping.copy_to(4900, &mut copy).unwrap();
    assert_eq!(copy, [0; 100]);

    // The hole gives the page back; when the pool is empty it cannot come again.
    peer.ask(&sealed, "punch 0 2097152").unwrap();
    let taken = pages.before;
    fs::write(POOL, taken.to_string()).unwrap();
    if Pages::now() > 0 {
        return skip("the fault of a huge page", "others have huge pages, so the pool cannot be emptied");
    }
    // SAFETY: within the range.
    let read = mapping.read(4999..5000, |start, _| unsafe { start.read_volatile() });
    assert_eq!(read, Err(ReadError::Fault { offset: 4999 }));
    drop(mapping);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.contains("selkie-huge"), "a mapping was left behind");
}
