//! Tickets: a line of text by which another process opens what this one has created.

use std::fmt;
use std::str::FromStr;

use crate::peer::{PeerError, PeerFd};
use crate::posix::{Name, NameError};
use crate::sysv::Key;

/// Where shared memory is to be found.
///
/// As text it is `sysv:ID`, `sysv:0xKEY`, `posix:/NAME`, `memfd:/proc/PID/fd/N` or `dmabuf:/proc/PID/fd/N`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ticket {
    /// The System V segment with this id (`shmid`).
    SysvId(i32),
    /// The System V segment with this key.
    SysvKey(Key),
    /// The POSIX shared memory of this name.
    Posix(Name),
    /// The memfd behind this fd of a process.
    Memfd(PeerFd),
    /// The dma-buf behind this fd of a process.
    DmaBuf(PeerFd),
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ticket::SysvId(id) => write!(f, "sysv:{id}"),
            Ticket::SysvKey(key) => write!(f, "sysv:{key}"),
            Ticket::Posix(name) => write!(f, "posix:{name}"),
            Ticket::Memfd(peer) => write!(f, "memfd:{peer}"),
            Ticket::DmaBuf(peer) => write!(f, "dmabuf:{peer}"),
        }
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Ticket, TicketError> {
        let unknown = || TicketError::Unknown { text: text.to_owned() };
        let (kind, rest) = text.split_once(':').ok_or_else(unknown)?;
        match kind {
            "sysv" if rest.starts_with("0x") => rest.parse().map(Ticket::SysvKey).map_err(|_| unknown()),
            // Ids are not negative, and are not written with a sign.
            "sysv" if rest.bytes().all(|byte| byte.is_ascii_digit()) => {
                rest.parse().map(Ticket::SysvId).map_err(|_| unknown())
            }
            "posix" => Ok(Ticket::Posix(rest.parse()?)),
            "memfd" => Ok(Ticket::Memfd(rest.parse()?)),
            "dmabuf" => Ok(Ticket::DmaBuf(rest.parse()?)),
            _ => Err(unknown()),
        }
    }
}

/// Why a text is no ticket.
#[derive(Debug, thiserror::Error)]
pub enum TicketError {
    /// It is nothing of the kind.
    #[error(
        "`{text}` is no ticket: it is one of sysv:ID, sysv:0xKEY, posix:/NAME, memfd:/proc/PID/fd/N, dmabuf:/proc/PID/fd/N"
    )]
    Unknown {
        /// The text.
        text: String,
    },
    /// The name in it is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The fd in it is none.
    #[error(transparent)]
    Peer(#[from] PeerError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_ticket() -> impl Strategy<Value = Ticket> {
        let peer = || (1..=i32::MAX, 0..=i32::MAX).prop_map(|(pid, fd)| PeerFd { pid, fd });
        prop_oneof![
            (0..=i32::MAX).prop_map(Ticket::SysvId),
            any::<i32>().prop_map(|number| Ticket::SysvKey(Key::new(number))),
            "/[a-z:0-9]{1,20}".prop_map(|name| Ticket::Posix(Name::new(name).unwrap())),
            peer().prop_map(Ticket::Memfd),
            peer().prop_map(Ticket::DmaBuf),
        ]
    }

    proptest! {
        #[test]
        fn is_read_as_it_is_written(ticket in any_ticket()) {
            prop_assert_eq!(ticket.to_string().parse::<Ticket>().unwrap(), ticket);
        }
    }

    #[test]
    fn what_is_no_ticket_is_refused() {
        for text in
            ["", "sysv", "sysv:", "sysv:-1", "sysv:+1", "sysv:0x", "sysv:4294967296", "SYSV:1", "pipe:1", ":"]
        {
            assert!(matches!(text.parse::<Ticket>(), Err(TicketError::Unknown { .. })), "{text}");
        }
        assert!(matches!(
            "posix:frames".parse::<Ticket>(),
            Err(TicketError::Name(NameError::NoSlash { .. }))
        ));
        assert!(matches!("memfd:3".parse::<Ticket>(), Err(TicketError::Peer(PeerError::Text { .. }))));
    }
}
