//! Why memory is not `Sealed`: each reason a sentence for the person who wrote the client, saying what is missing and how
//! to get it.

use crate::seals::Seals;

/// Why memory can be read, but only with a precaution.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unsealed {
    /// A memfd to which the seal could still be added.
    #[error(
        "memfd without F_SEAL_SHRINK: add F_SEAL_SHRINK with fcntl(F_ADD_SEALS) before wl_shm.create_pool"
    )]
    ShrinkMissing,
    /// A memfd that was created without `MFD_ALLOW_SEALING`.
    #[error(
        "memfd without F_SEAL_SHRINK: create it with MFD_ALLOW_SEALING and add F_SEAL_SHRINK before \
         wl_shm.create_pool"
    )]
    NotSealable,
    /// A memfd that got `F_SEAL_SEAL` before `F_SEAL_SHRINK`.
    #[error(
        "memfd sealed shut ({seals}) without F_SEAL_SHRINK: add F_SEAL_SHRINK before or together with F_SEAL_SEAL"
    )]
    SealedShut {
        /// The seals it has.
        seals: Seals,
    },
    /// A memfd that could be sealed, but not through this fd.
    #[error(
        "memfd without F_SEAL_SHRINK, passed read-only: add F_SEAL_SHRINK through a writable fd before \
         wl_shm.create_pool"
    )]
    ReadOnly,
    /// A file on tmpfs, such as POSIX shared memory.
    #[error(
        "file on tmpfs (/dev/shm, shm_open), which can never be sealed: use memfd_create with MFD_ALLOW_SEALING and \
         add F_SEAL_SHRINK"
    )]
    Tmpfs,
    /// Huge pages.
    #[error(
        "memory of huge pages, whose pages can vanish in spite of F_SEAL_SHRINK (punching a hole gives them back): \
         create the memfd without MFD_HUGETLB"
    )]
    Hugetlb,
    /// A file on a disk.
    #[error(
        "file on a disk ({file_system}), which can never be sealed: use memfd_create with MFD_ALLOW_SEALING and add \
         F_SEAL_SHRINK"
    )]
    Disk {
        /// The type of its file system.
        file_system: String,
    },
}

/// Why a file cannot be read as memory, under any precaution.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unusable {
    /// No bytes are claimed.
    #[error("a pool of 0 bytes: claim at least 1")]
    Empty,
    /// The file is shorter than claimed.
    #[error("the file has {size} bytes, fewer than the {claimed} claimed: ftruncate it before passing it on")]
    TooShort {
        /// The size that was claimed, in bytes.
        claimed: u64,
        /// The size of the file, in bytes.
        size: u64,
    },
    /// The fd names a file and has not opened it.
    #[error("the fd was opened with O_PATH, so nothing can be read through it: open it with O_RDWR")]
    PathOnly,
    /// The fd cannot be read through.
    #[error("the fd cannot be read through: open it with O_RDWR or O_RDONLY")]
    WriteOnly,
    /// A pipe or FIFO.
    #[error("a pipe, not memory: pass a memfd")]
    Pipe,
    /// A socket.
    #[error("a socket, not memory: pass a memfd")]
    Socket,
    /// A character device.
    #[error("a character device, not memory: pass a memfd")]
    CharDevice,
    /// A block device.
    #[error("a block device, not memory: pass a memfd")]
    BlockDevice,
    /// A directory.
    #[error("a directory, not memory: pass a memfd")]
    Directory,
    /// A dma-buf.
    #[error("a dma-buf, not ordinary memory: pass it through zwp_linux_dmabuf_v1, or pass a memfd")]
    DmaBuf,
    /// On FUSE, on the network, or on a mount that this process does not see.
    #[error(
        "a file on {}, which is not known to be local and could stall its readers: pass a memfd",
        .file_system.as_deref().unwrap_or("a mount that cannot be seen from here")
    )]
    Remote {
        /// The type of its file system, if the mount is visible.
        file_system: Option<String>,
    },
    /// Not a file with content.
    #[error("not memory: pass a memfd")]
    NoMemory,
    /// The owner of the memory keeps `F_ADD_SEALS` waiting.
    #[error(
        "memfd without F_SEAL_SHRINK, and its owner keeps it locked, so that the seal cannot be added: add \
         F_SEAL_SHRINK before wl_shm.create_pool"
    )]
    Locked,
}
