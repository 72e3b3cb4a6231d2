//! Where a file lives, found out without asking its file system anything.
//!
//! First the link in `/proc/thread-self/fd`. For a file with a path it begins with `/`; `pipe:[1]`, `socket:[2]` or
//! `anon_inode:[eventpoll]` come from the kernel alone, and are no memory. (Nothing more is asked of those: the fdinfo of an epoll
//! instance takes its lock, which a client can hold for ever.) No name proves more than that: `/memfd:x (deleted)` is what a
//! deleted file of that name on FUSE shows too.
//!
//! Then `/proc/thread-self/fdinfo`, which has the id of the mount through which the file was opened. The kernel fills that
//! in by itself. As long as the file is open that mount exists, even when it has been unmounted lazily, and no other mount
//! has the same id, in any mount namespace. So:
//!
//! - the id of the mount on which the kernel puts a memfd of ours: the file is kernel shared memory;
//! - an id in our mount table: the table says the type of the file system, and a list here which types are local. The
//!   table is kept and read again when the kernel says (by `poll`) that it has changed, so that an entry of a mount that
//!   is gone cannot vouch for a new one that got its id;
//! - any other: a mount in another namespace (where a client may mount FUSE without any privilege), one that was
//!   detached, or one of the kernel's internal mounts. A dma-buf is known by what only its driver writes into its fdinfo.
//!   What is still unknown then is not known to be local.
//!
//! Types that are not on the list, on purpose: `overlay` can have FUSE or the network below it; `xfs` and `bcachefs` take a
//! lock of the inode to read, which a client can hold as long as it likes by writing to the file from memory that it
//! never provides.
//!
//! See `proc_pid_fd(5)`, `proc_pid_fdinfo(5)`, `proc_pid_mountinfo(5)`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;

/// Where a file lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On one of the kernel's own mounts of tmpfs and hugetlbfs.
    Kernel {
        /// It is called a memfd; the name can be trusted there.
        memfd: bool,
    },
    /// On a mounted tmpfs.
    Tmpfs,
    /// On a mounted hugetlbfs.
    Hugetlbfs,
    /// On a local file system of this type.
    Disk { file_system: String },
    /// On a file system of this type, which is not known to be local, or nobody knows where.
    Remote { file_system: Option<String> },
    /// A pipe without a path.
    Pipe,
    /// A socket.
    Socket,
    /// A dma-buf, of this exporter.
    DmaBuf { exporter: String },
    /// Something of the kernel's own: an eventfd, a namespace, ...
    Other,
}

/// File systems whose files can be asked about, read and mapped without waiting for another process.
const LOCAL: [&str; 16] = [
    "btrfs", "devtmpfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660", "jfs", "msdos",
    "nilfs2", "ramfs", "squashfs", "udf", "vfat",
];

/// Finds out where `fd` lives. `shared_memory`: it has answered `F_GET_SEALS`, or is an `O_PATH` fd, whose fdinfo is the
/// kernel's own whatever it names (and does not tell a dma-buf).
pub(super) fn of(fd: BorrowedFd<'_>, shared_memory: bool) -> Place {
    place(fd, shared_memory).unwrap_or_else(|error| {
        // Without /proc nothing is known to be local.
        tracing::warn!(%error, "cannot find out where a file lives");
        Place::Remote { file_system: None }
    })
}

fn place(fd: BorrowedFd<'_>, shared_memory: bool) -> io::Result<Place> {
    let link = link(fd)?;
    if !link.starts_with('/') {
        return Ok(match link.split_once(':') {
            Some(("pipe", _)) => Place::Pipe,
            Some(("socket", _)) => Place::Socket,
            _ => Place::Other,
        });
    }
    // The fdinfo of memory and of ordinary files is the kernel's own; but this may be a device with a driver's lines.
    let info = if shared_memory {
        FdInfo::of(fd.as_raw_fd())?
    } else {
        // By its number, since closing a copy could wait as well. Should the number have passed on to another file by the
        // time a late helper looks, nobody wants its answer any more.
        let number = fd.as_raw_fd();
        super::ASKERS.ask(move || FdInfo::of(number)).ok_or(io::ErrorKind::TimedOut)??
    };
    let kernel = KernelMounts::get();
    if kernel.shmem.contains(&info.mount) {
        return Ok(Place::Kernel { memfd: link.starts_with("/memfd:") });
    }
    if kernel.hugetlb.contains(&info.mount) {
        return Ok(Place::Kernel { memfd: true });
    }
    if let Some(file_system) = mounted(info.mount)? {
        return Ok(match file_system.as_str() {
            "tmpfs" => Place::Tmpfs,
            "hugetlbfs" => Place::Hugetlbfs,
            local if LOCAL.contains(&local) => Place::Disk { file_system },
            _ => Place::Remote { file_system: Some(file_system) },
        });
    }
    Ok(match info.exporter {
        Some(exporter) => Place::DmaBuf { exporter },
        None => Place::Remote { file_system: None },
    })
}

/// Whether a file has the name that dma-bufs have. No proof: a file on FUSE may have it too.
pub(super) fn is_called_dma_buf(fd: BorrowedFd<'_>) -> bool {
    link(fd).is_ok_and(|link| link.starts_with("/dmabuf:"))
}

/// Where the kernel says that a file is, or what it calls a file that has no path.
fn link(fd: BorrowedFd<'_>) -> io::Result<String> {
    let link = std::fs::read_link(PathBuf::from(format!("/proc/thread-self/fd/{}", fd.as_raw_fd())))?;
    Ok(link.to_string_lossy().into_owned())
}

/// What `/proc/thread-self/fdinfo` says about an open file.
#[derive(Debug, PartialEq, Eq)]
struct FdInfo {
    /// The id of the mount through which it was opened.
    mount: u64,
    /// Who made it: a line that only dma-bufs have. It comes before the name that a client may give to a dma-buf.
    exporter: Option<String>,
}

impl FdInfo {
    fn of(fd: RawFd) -> io::Result<FdInfo> {
        let text = std::fs::read(format!("/proc/thread-self/fdinfo/{fd}"))?;
        FdInfo::parse(&String::from_utf8_lossy(&text))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no mnt_id in fdinfo"))
    }

    fn parse(text: &str) -> Option<FdInfo> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        let mount = value("mnt_id:")?.trim().parse().ok()?;
        Some(FdInfo { mount, exporter: value("exp_name:").map(|name| name.trim().to_owned()) })
    }
}

/// The ids of the mounts on which the kernel makes memfds. They exist as long as the system runs, for all namespaces.
struct KernelMounts {
    shmem: Vec<u64>,
    hugetlb: Vec<u64>,
}

impl KernelMounts {
    /// Learnt once, from memfds of our own.
    fn get() -> &'static KernelMounts {
        static KERNEL: OnceLock<KernelMounts> = OnceLock::new();
        KERNEL.get_or_init(|| {
            let mount = |flags| {
                let fd: OwnedFd =
                    rustix::fs::memfd_create("selkie-probe", flags | MemfdFlags::CLOEXEC).ok()?;
                FdInfo::of(fd.as_raw_fd()).ok().map(|info| info.mount)
            };
            let huge = huge_page_sizes().into_iter().filter_map(|log2| {
                // The size as memfd_create(2) encodes it: its logarithm, above bit 26.
                mount(MemfdFlags::HUGETLB | MemfdFlags::from_bits_retain(log2 << 26))
            });
            KernelMounts { shmem: mount(MemfdFlags::empty()).into_iter().collect(), hugetlb: huge.collect() }
        })
    }
}

/// The logarithms of the sizes of huge pages that this kernel has; empty memfds of them need none to be free.
fn huge_page_sizes() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/sys/kernel/mm/hugepages") else { return Vec::new() };
    let size = |name: &str| {
        name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse::<u64>().ok()?.checked_mul(1024)
    };
    entries.filter_map(|entry| Some(size(entry.ok()?.file_name().to_str()?)?.ilog2())).collect()
}

/// The type of the file system of a mount, if it is in our mount table.
fn mounted(mount: u64) -> io::Result<Option<String>> {
    static TABLE: Mutex<Option<Table>> = Mutex::new(None);
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let current = match table.take() {
        Some(known) => known.refreshed()?,
        None => Table::open()?,
    };
    let found = current.types.get(&mount).cloned();
    *table = Some(current);
    Ok(found)
}

/// Our mount table, and the open file that tells when it has changed.
struct Table {
    file: File,
    types: HashMap<u64, String>,
}

impl Table {
    fn open() -> io::Result<Table> {
        let mut file = File::open("/proc/thread-self/mountinfo")?;
        let types = Table::read(&mut file)?;
        Ok(Table { file, types })
    }

    /// The table as it is now. The kernel remembers per open file which state it has reported, and the report comes before
    /// the reading, so that a change in between is reported next time.
    fn refreshed(mut self) -> io::Result<Table> {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut asked = [PollFd::new(&self.file, PollFlags::PRI)];
        poll(&mut asked, Some(&at_once))?;
        if asked[0].revents().intersects(PollFlags::PRI | PollFlags::ERR) {
            self.types = Table::read(&mut self.file)?;
        }
        Ok(self)
    }

    fn read(file: &mut File) -> io::Result<HashMap<u64, String>> {
        let mut text = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).lines().filter_map(parse_mount).collect())
    }
}

/// The id and the type of one line of mountinfo.
fn parse_mount(line: &str) -> Option<(u64, String)> {
    let (head, tail) = line.split_once(" - ")?;
    let id = head.split(' ').next()?.parse().ok()?;
    Some((id, tail.split(' ').next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(not(miri))]
    use std::os::fd::AsFd;

    #[test]
    fn reads_fdinfo() {
        let plain = "pos:\t0\nflags:\t0100002\nmnt_id:\t21\nino:\t5\n";
        assert_eq!(FdInfo::parse(plain), Some(FdInfo { mount: 21, exporter: None }));
        let dma_buf = "pos:\t0\nflags:\t02\nmnt_id:\t14\nino:\t5\nsize:\t4096\ncount:\t1\nexp_name:\tudmabuf\n\
                       name:\tx\nexp_name:\ty\n";
        let exporter = Some("udmabuf".to_owned());
        assert_eq!(FdInfo::parse(dma_buf), Some(FdInfo { mount: 14, exporter }));
        assert_eq!(FdInfo::parse("pos:\t0\n"), None);
        assert_eq!(FdInfo::parse("mnt_id:\t-1\n"), None);
    }

    #[test]
    fn reads_mountinfo() {
        let line = r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(parse_mount(line), Some((36, "ext3".to_owned())));
        let line = "24 1 0:22 / /dev/shm rw - tmpfs tmpfs rw";
        assert_eq!(parse_mount(line), Some((24, "tmpfs".to_owned())));
        let line = "41 24 0:35 / /mnt rw - fuse.sshfs me@there:/x - tmpfs rw";
        assert_eq!(parse_mount(line), Some((41, "fuse.sshfs".to_owned())));
        assert_eq!(parse_mount(""), None);
        assert_eq!(parse_mount("x - tmpfs"), None);
    }

    #[test]
    #[cfg(not(miri))] // system calls
    fn knows_the_mounts_of_the_kernel() {
        let kernel = KernelMounts::get();
        assert_eq!(kernel.shmem.len(), 1);
        let (reader, _writer) = io::pipe().unwrap();
        assert_eq!(of(reader.as_fd(), false), Place::Pipe);
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(of(socket.as_fd(), false), Place::Socket);
    }
}
