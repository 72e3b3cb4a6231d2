//! Which files are shared memory, told by the device that they are on.
//!
//! What a file is called proves nothing: `/memfd:x (deleted)` is also what a deleted file of that name on FUSE shows. Its device
//! does: no two mounted file systems have the same number. `statx(2)` with `AT_STATX_DONT_SYNC` tells it without asking the
//! file system, and so does `/proc/PID/maps`. So:
//!
//! - memfds and System V segments are on mounts of the kernel's own, whose devices we learn from memfds that we make
//!   (one for ordinary pages, one for each size of huge pages);
//! - POSIX objects are on the file system that is `/dev/shm`, wherever else that is mounted (in a chroot, say). That of a
//!   container is another one: it counts if its path says so and it is a tmpfs in the mount table of the process;
//! - dma-bufs are on a mount that nobody can see. The first that is proven to be one, by the line `exp_name` that only they
//!   have in `/proc/PID/fdinfo`, tells the device of all.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, MemfdFlags, Statx, StatxFlags};

use super::{Device, InventoryError};

/// Where `shm_open(3)` makes its files.
const POSIX: &str = "/dev/shm";

/// What `/proc/self/ns/pid` says in the machine's first PID namespace (`PROC_PID_INIT_INO`).
const FIRST_PID_NAMESPACE: u64 = 0xefff_fffc;

/// What the kernel says about a file by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub device: Device,
    pub inode: u64,
    pub size: u64,
    pub resident: u64,
    pub uid: u32,
    pub mode: u16,
    pub links: u32,
}

impl Facts {
    /// Asks about the file at `path`, or about `file` itself where that is empty, without asking the file system; nothing is
    /// opened. A link that is the last part of `path` is followed.
    pub fn of(file: impl AsFd, path: impl rustix::path::Arg) -> rustix::io::Result<Facts> {
        let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH;
        Ok(rustix::fs::statx(file, path, flags, StatxFlags::BASIC_STATS)?.into())
    }

    /// [`Facts::of`] for a path under `/proc`.
    pub fn at(path: &str) -> rustix::io::Result<Facts> {
        Facts::of(CWD, path)
    }
}

impl From<Statx> for Facts {
    fn from(stat: Statx) -> Facts {
        Facts {
            device: Device { major: stat.stx_dev_major, minor: stat.stx_dev_minor },
            inode: stat.stx_ino,
            size: stat.stx_size,
            // The unit is 512 bytes, whatever the file system's block size.
            resident: stat.stx_blocks.saturating_mul(512),
            uid: stat.stx_uid,
            mode: stat.stx_mode & 0o7777,
            links: stat.stx_nlink,
        }
    }
}

/// One line of a mount table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    device: Device,
    point: Vec<u8>,
    file_system: String,
    /// The options of the file system.
    options: String,
}

/// The devices of shared memory.
#[derive(Debug)]
pub(super) struct Places {
    /// Those of the kernel's own mounts, with the size of their huge pages.
    kernel: HashMap<Device, Option<u64>>,
    /// The file system of POSIX objects, if there is one.
    posix: Option<Posix>,
    /// The file system of dma-bufs, once one was seen.
    dmabufs: Option<Device>,
    mounts: Vec<Mount>,
    /// Mount tables of processes in other mount namespaces, by namespace; only for the present pass.
    others: HashMap<u64, Vec<Mount>>,
}

/// The file system of POSIX objects.
#[derive(Debug)]
pub(super) struct Posix {
    pub dir: PathBuf,
    pub device: Device,
    /// The directories where its files are, as a path that the kernel shows begins; the longest first.
    prefixes: Vec<Vec<u8>>,
}

impl Places {
    pub fn learn() -> Result<Places, InventoryError> {
        let mut places = Places {
            kernel: kernel_devices(),
            posix: None,
            dmabufs: None,
            mounts: Vec::new(),
            others: HashMap::new(),
        };
        places.refresh()?;
        Ok(places)
    }

    /// Reads again what may have changed: what is mounted.
    pub fn refresh(&mut self) -> Result<(), InventoryError> {
        self.mounts = mount_table("self")
            .map_err(|source| InventoryError::Proc { path: "/proc/self/mountinfo".into(), source })?;
        self.others.clear();
        self.posix = fs::canonicalize(POSIX).ok().and_then(|dir| {
            let device = Facts::of(CWD, dir.as_path()).ok()?.device;
            let own = dir.as_os_str().as_bytes().to_vec();
            let mut points: HashSet<Vec<u8>> =
                self.mounts.iter().filter(|mount| mount.device == device).map(|m| m.point.clone()).collect();
            // Where it is a mere directory of some file system, only what is below it counts.
            if !points.contains(&own) {
                points = HashSet::from([own]);
            }
            let mut prefixes: Vec<_> = points.into_iter().collect();
            prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
            Some(Posix { dir, device, prefixes })
        });
        Ok(())
    }

    pub fn posix(&self) -> Option<&Posix> {
        self.posix.as_ref()
    }

    /// Whether `/proc` need not show all processes.
    pub fn processes_are_hidden(&self) -> bool {
        let namespace = super::process::namespace("self", "pid");
        let hides = |mount: &Mount| {
            mount.point == b"/proc"
                && mount.options.split(',').any(|option| {
                    option.strip_prefix("hidepid=").is_some_and(|how| !matches!(how, "0" | "off"))
                })
        };
        namespace != Some(FIRST_PID_NAMESPACE)
            || (self.mounts.iter().any(hides) && !rustix::process::geteuid().is_root())
    }

    /// If this is the device of memfds and System V segments: the size of its huge pages, if it has those.
    pub fn kernel(&self, device: Device) -> Option<Option<u64>> {
        self.kernel.get(&device).copied()
    }

    /// The name of the POSIX object of this namespace that a path of the kernel's stands for.
    pub fn posix_name<'a>(&self, path: &'a [u8], device: Option<Device>) -> Option<&'a [u8]> {
        let posix = self.posix.as_ref()?;
        if device.is_some_and(|device| device != posix.device) {
            return None;
        }
        let below = |prefix: &Vec<u8>| path.strip_prefix(prefix.as_slice());
        posix.prefixes.iter().find_map(below).filter(|name| name.starts_with(b"/"))
    }

    /// The same for an object of another namespace, of which process `pid` has a file or mapping.
    pub fn foreign_posix_name<'a>(&mut self, path: &'a [u8], device: Device, pid: i32) -> Option<&'a [u8]> {
        let name = foreign_name(path)?;
        let known = |mount: &Mount| {
            mount.device == device && mount.file_system == "tmpfs" && mount.point.ends_with(POSIX.as_bytes())
        };
        // Ours has those of a chroot, which do not end so in the process's own.
        (self.mounts.iter().any(known) || self.mounts_of(pid).iter().any(known)).then_some(name)
    }

    /// Whether this is where dma-bufs are. As long as none was proven to be one: whether it can be, in that nobody has mounted
    /// it.
    pub fn dmabufs(&mut self, device: Device, pid: i32) -> bool {
        match self.dmabufs {
            Some(known) => known == device,
            None => device.major == 0 && self.mounts_of(pid).iter().all(|mount| mount.device != device),
        }
    }

    /// A dma-buf is on this device.
    pub fn found_dmabuf(&mut self, device: Device) {
        self.dmabufs = Some(device);
    }

    /// What is mounted for a process, read once for each mount namespace.
    fn mounts_of(&mut self, pid: i32) -> &[Mount] {
        let process = pid.to_string();
        let Some(namespace) = super::process::namespace(&process, "mnt") else { return &[] };
        self.others.entry(namespace).or_insert_with(|| mount_table(&process).unwrap_or_default())
    }
}

/// What comes after `/dev/shm` in a path in another namespace.
fn foreign_name(path: &[u8]) -> Option<&[u8]> {
    let at = path.windows(POSIX.len() + 1).position(|part| part == b"/dev/shm/")?;
    Some(&path[at + POSIX.len()..])
}

/// Whether a path can be that of a POSIX object of another namespace.
pub(super) fn may_be_foreign(path: &[u8]) -> bool {
    foreign_name(path).is_some()
}

/// The devices on which the kernel makes memfds, and the sizes of their huge pages.
fn kernel_devices() -> HashMap<Device, Option<u64>> {
    let device = |flags| {
        let memfd = rustix::fs::memfd_create("selkie-probe", flags | MemfdFlags::CLOEXEC).ok()?;
        Facts::of(memfd, "").ok().map(|facts| facts.device)
    };
    let ordinary = device(MemfdFlags::empty()).map(|device| (device, None));
    let huge = huge_page_sizes().into_iter().filter_map(|size| {
        // The size as memfd_create(2) encodes it: its logarithm, above bit 26. An empty memfd needs no free page.
        let encoded = MemfdFlags::from_bits_retain(size.checked_ilog2()? << 26);
        Some((device(MemfdFlags::HUGETLB | encoded)?, Some(size)))
    });
    ordinary.into_iter().chain(huge).collect()
}

/// The sizes of huge pages that this kernel has, in bytes.
fn huge_page_sizes() -> Vec<u64> {
    let Ok(entries) = fs::read_dir("/sys/kernel/mm/hugepages") else { return Vec::new() };
    let size = |name: &str| {
        name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse::<u64>().ok()?.checked_mul(1024)
    };
    entries.filter_map(|entry| size(entry.ok()?.file_name().to_str()?)).collect()
}

fn mount_table(process: &str) -> std::io::Result<Vec<Mount>> {
    let text = fs::read(Path::new("/proc").join(process).join("mountinfo"))?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(parse_mount).collect())
}

/// One line of mountinfo, `proc_pid_mountinfo(5)`; a mount point may have any bytes.
fn parse_mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut number = std::str::from_utf8(fields.nth(2)?).ok()?.split(':').map(|n| n.parse().ok());
    let device = Device { major: number.next()??, minor: number.next()?? };
    let point = unescape(fields.nth(1)?);
    let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
    let file_system = String::from_utf8_lossy(rest.next()?).into_owned();
    let options =
        rest.nth(1).map(|options| String::from_utf8_lossy(options).into_owned()).unwrap_or_default();
    Some(Mount { device, point, file_system, options })
}

/// Undoes what the kernel does to blanks and backslashes in such tables: `\040`.
pub(super) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let octal =
            tail.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &tail[3..];
            }
            None => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: Device = Device { major: 0, minor: 22 };

    fn places() -> Places {
        let posix = Posix {
            dir: POSIX.into(),
            device: DEVICE,
            prefixes: vec![b"/jail/dev/shm".into(), b"/dev/shm".into()],
        };
        Places {
            kernel: HashMap::new(),
            posix: Some(posix),
            dmabufs: None,
            mounts: Vec::new(),
            others: HashMap::new(),
        }
    }

    #[test]
    fn reads_mountinfo() {
        let line = br"36 35 0:22 /mnt1 /a\040b rw,noatime master:1 shared:2 - tmpfs none rw,size=4k";
        let options = "rw,size=4k".to_owned();
        let file_system = "tmpfs".to_owned();
        assert_eq!(
            parse_mount(line),
            Some(Mount { device: DEVICE, point: b"/a b".into(), file_system, options })
        );
        assert!(parse_mount(b"36 35 0:22 / /\xff rw - proc proc rw,hidepid=2").is_some());
        for bad in [&b""[..], b"36 35 x:22 / / rw - tmpfs none rw", b"36 35 0:22 / / rw", b"1 2 3 4 5 6 - a"]
        {
            assert_eq!(parse_mount(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn names_objects_by_any_of_their_paths() {
        let places = places();
        let name = |path: &'static [u8], device| places.posix_name(path, device);
        assert_eq!(name(b"/dev/shm/a/b (deleted)", Some(DEVICE)), Some(&b"/a/b (deleted)"[..]));
        assert_eq!(name(b"/jail/dev/shm/a", None), Some(&b"/a"[..]));
        assert_eq!(name(b"/dev/shmoo", None), None);
        assert_eq!(name(b"/dev/shm/a", Some(Device { major: 0, minor: 23 })), None);
        assert_eq!(name(b"/tmp/a", Some(DEVICE)), None);
        assert_eq!(foreign_name(b"/jail/dev/shm/x"), Some(&b"/x"[..]));
        assert_eq!(foreign_name(b"/dev/shm"), None);
    }

    #[test]
    fn undoes_escapes() {
        assert_eq!(unescape(br"a\040b\012\134\999\1"), b"a b\n\\\\999\\1");
    }

    #[test]
    #[cfg(not(miri))] // system calls
    fn knows_the_device_of_memfds() {
        let places = Places::learn().unwrap();
        let memfd = rustix::fs::memfd_create("x", MemfdFlags::CLOEXEC).unwrap();
        let facts = Facts::of(&memfd, "").unwrap();
        assert_eq!(places.kernel(facts.device), Some(None));
        assert_eq!(facts.links, 0);
        let file = tempfile::tempfile_in("/").unwrap();
        assert_eq!(places.kernel(Facts::of(&file, "").unwrap().device), None);
    }
}
