//! From an fd to a decision: the verdict of shm-core, turned by the policy into a way to read.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use shm_core::mapping::{Guarded, MapError, Mapping};
use shm_core::pread::Reader;
use shm_core::seals::Seals;
use shm_core::verdict::{Examined, Kind, Verdict, adopt, examine};

use super::pool::SealedMemory;
use super::{Access, Policy};

/// What is known about a piece of memory, for the ledger.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What kind of file it is.
    pub kind: Kind,
    /// Its seals; `None` where its file system has none.
    pub seals: Option<Seals>,
    /// Bytes in the file, where that could be asked.
    pub file_size: Option<u64>,
    /// The verdict's name: `sealed`, `unsealed` or `unusable`.
    pub verdict: &'static str,
    /// What is missing and how to get it; empty for `sealed`.
    pub why: String,
    /// The policy it was judged under.
    pub policy: Policy,
    /// Whether the compositor added `F_SEAL_SHRINK`.
    pub adopted: bool,
}

/// Memory that was accepted, and how it may be read.
pub struct Admitted {
    /// An fd of it to keep: the client's, or one of our own where the client's cannot be trusted
    /// to stay readable.
    pub fd: OwnedFd,
    /// How.
    pub access: Access,
    /// What is known about it.
    pub facts: Facts,
}

/// Memory that was refused.
#[derive(Debug)]
pub struct Refusal {
    /// For the client: what is wrong and what to do.
    pub message: String,
    /// What is known about it.
    pub facts: Facts,
}

/// Decides on memory of which a client claims `size` bytes.
///
/// # Errors
///
/// [`Refusal`] if the memory is unusable, or unsealed where the policy does not permit that; with
/// the fd, which is to be closed where that cannot hold up anybody.
pub fn admit(fd: OwnedFd, size: u64, policy: Policy) -> Result<Admitted, (Box<Refusal>, OwnedFd)> {
    let examined = match policy {
        Policy::Adopt | Policy::Copy => adopt(fd.as_fd(), size),
        Policy::Enforce | Policy::Guard => examine(fd.as_fd(), size),
    };
    let facts = facts(&examined, policy);
    let access = match (&examined.verdict, policy) {
        (Verdict::Sealed, _) => Ok(Access::Sealed(SealedMemory::new(size))),
        (Verdict::Unsealed { .. }, Policy::Copy) => match Reader::open(fd.as_fd(), size) {
            Ok(reader) => {
                return Ok(Admitted { fd: reader.into(), access: Access::Copied, facts });
            }
            Err(e) => Err(e.to_string()),
        },
        (Verdict::Unsealed { .. }, Policy::Guard) => map_guarded(fd.as_fd(), size).map_err(|e| e.to_string()),
        (Verdict::Unsealed { .. } | Verdict::Unusable { .. }, _) => Err(facts.why.clone()),
    };
    match access {
        Ok(access) => Ok(Admitted { fd, access, facts }),
        Err(why) => {
            let message = format!("{why} (policy {policy})");
            Err((Box::new(Refusal { message, facts }), fd))
        }
    }
}

/// Maps memory that may shrink.
pub(super) fn map_guarded(fd: BorrowedFd<'_>, size: u64) -> Result<Access, MapError> {
    Mapping::<Guarded>::new(fd, size).map(|m| Access::Guarded(Arc::new(m)))
}

fn facts(examined: &Examined, policy: Policy) -> Facts {
    let (verdict, why) = match &examined.verdict {
        Verdict::Sealed => ("sealed", String::new()),
        Verdict::Unsealed { why } => ("unsealed", why.to_string()),
        Verdict::Unusable { why } => ("unusable", why.to_string()),
    };
    Facts {
        kind: examined.kind,
        seals: examined.seals,
        file_size: examined.file_size,
        verdict,
        why,
        policy,
        adopted: examined.adopted,
    }
}
