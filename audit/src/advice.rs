//! What the author of a program should change, in one sentence that names the call.

use shm_core::verdict::{Unsealed, Unusable, Verdict};

/// The call that makes it good.
const SEAL: &str = "fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL)";

/// What to do about memory with this verdict; nothing if it is sealed.
pub(crate) fn advice(verdict: &Verdict) -> Option<String> {
    Some(match verdict {
        Verdict::Sealed => return None,
        Verdict::Unsealed { why } => match why {
            Unsealed::ShrinkMissing => {
                format!("once the memory has its size, call {SEAL}, before wl_shm.create_pool")
            }
            Unsealed::NotSealable => format!(
                "pass MFD_ALLOW_SEALING to memfd_create(), and once the memory has its size, call {SEAL}, before \
                 wl_shm.create_pool"
            ),
            Unsealed::SealedShut { .. } => {
                "add F_SEAL_SHRINK in the call that adds F_SEAL_SEAL, or before it".to_owned()
            }
            Unsealed::ReadOnly => {
                format!("call {SEAL} through the writable descriptor, before passing on a read-only one")
            }
            Unsealed::Tmpfs | Unsealed::Disk { .. } => format!(
                "in place of shm_open() or a temporary file use memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), \
                 and once the memory has its size, call {SEAL}, before wl_shm.create_pool"
            ),
            Unsealed::Hugetlb => "leave MFD_HUGETLB out of memfd_create()".to_owned(),
        },
        Verdict::Unusable { why } => match why {
            Unusable::Empty => "pass the size of the memory to wl_shm.create_pool".to_owned(),
            Unusable::TooShort { claimed, .. } => format!(
                "call ftruncate(fd, {claimed}) before wl_shm.create_pool, or before the wl_shm_pool.resize that needs it"
            ),
            Unusable::PathOnly | Unusable::WriteOnly => "open the file with O_RDWR".to_owned(),
            Unusable::DmaBuf => {
                "pass dma-bufs through zwp_linux_dmabuf_v1, not wl_shm.create_pool".to_owned()
            }
            _ => format!(
                "pass memory of memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING) to wl_shm.create_pool, sealed with {SEAL}"
            ),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_names_the_call() {
        let unsealed = |why| advice(&Verdict::Unsealed { why }).unwrap();
        assert_eq!(
            unsealed(Unsealed::ShrinkMissing),
            "once the memory has its size, call fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL), before \
             wl_shm.create_pool"
        );
        assert!(unsealed(Unsealed::NotSealable).starts_with("pass MFD_ALLOW_SEALING to memfd_create()"));
        assert!(unsealed(Unsealed::Tmpfs).contains("in place of shm_open()"));
        assert!(unsealed(Unsealed::Hugetlb).contains("MFD_HUGETLB"));
        let short = Verdict::Unusable { why: Unusable::TooShort { claimed: 8192, size: 4096 } };
        assert!(advice(&short).unwrap().contains("ftruncate(fd, 8192)"));
        assert_eq!(advice(&Verdict::Sealed), None);
    }
}
